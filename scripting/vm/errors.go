package vm

import (
	"errors"
	"io/fs"
)

var (
	// errNotRegular: a directory, a pipe or a device where a script was expected.
	errNotRegular = errors.New("not a regular file")
	// errTooLarge: a script file over maxFile.
	errTooLarge = errors.New("file too large for a script (limit 4 MiB)")
)

// reason is the system's word for what went wrong, without the path in front,
// which the message already names.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "No such file or directory"
	}
	if errors.Is(err, fs.ErrPermission) {
		return "Permission denied"
	}
	return err.Error()
}
