package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is who the process is to become.
type account struct {
	uid, gid int // -1: as it is
	groups   []int
	name     string
}

// findAccount looks up a user and a group, by name or number; both may be
// empty, then it is nil. It says why it cannot be.
func findAccount(userName, groupName string) (*account, error) {
	if userName == "" && groupName == "" {
		return nil, nil
	}
	a := &account{uid: -1, gid: -1, name: userName}
	if userName != "" {
		u, err := user.Lookup(userName)
		if n, e := strconv.Atoi(userName); err != nil && e == nil {
			if u, err = user.LookupId(userName); err != nil {
				u, err = &user.User{Uid: userName}, nil // a number that has no name
				a.uid, a.groups = n, []int{}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("user: %w", err)
		}
		a.uid, _ = strconv.Atoi(u.Uid)
		if u.Gid != "" {
			a.gid, _ = strconv.Atoi(u.Gid)
			list, err := u.GroupIds()
			if err != nil {
				return nil, fmt.Errorf("user: the groups of %s: %w", userName, err)
			}
			for _, g := range list {
				n, _ := strconv.Atoi(g)
				a.groups = append(a.groups, n)
			}
		}
	}
	if groupName != "" {
		g, err := user.LookupGroup(groupName)
		if n, e := strconv.Atoi(groupName); err != nil && e == nil {
			g, err = &user.Group{Gid: strconv.Itoa(n)}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("group: %w", err)
		}
		a.gid, _ = strconv.Atoi(g.Gid)
	}
	if a.gid < 0 {
		return nil, fmt.Errorf("group: user %s has none of its own, name one", userName)
	}
	if a.isUs() {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("user: only root can become another user or group, and this is user %d", os.Geteuid())
	}
	return a, nil
}

// isUs says whether the process is that already.
func (a *account) isUs() bool {
	return (a.uid < 0 || a.uid == os.Getuid() && a.uid == os.Geteuid()) && a.gid == os.Getgid() && a.gid == os.Getegid()
}

// become makes the whole process, with all its threads, that user. There is no
// way back.
func (a *account) become() error {
	if a == nil {
		return nil
	}
	if a.uid >= 0 { // without a user only the group changes
		if err := syscall.Setgroups(a.groups); err != nil {
			return fmt.Errorf("user: setgroups: %w", err)
		}
	}
	if err := syscall.Setresgid(a.gid, a.gid, a.gid); err != nil {
		return fmt.Errorf("group: setgid: %w", err)
	}
	if a.uid < 0 {
		return nil
	}
	if err := syscall.Setresuid(a.uid, a.uid, a.uid); err != nil {
		return fmt.Errorf("user: setuid: %w", err)
	}
	if a.uid != 0 && syscall.Setuid(0) == nil {
		return errors.New("user: the process could become root again")
	}
	return nil
}

// give has a file belong to the account.
func (a *account) give(f *os.File) { f.Chown(a.uid, a.gid) }
