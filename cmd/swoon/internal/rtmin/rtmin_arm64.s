#include "textflag.h"

// write(note, &one, 8)
TEXT ·handler(SB),NOSPLIT|NOFRAME,$0-0
	MOVW	·note(SB), R0
	MOVD	$·one(SB), R1
	MOVD	$8, R2
	MOVD	$64, R8
	SVC
	RET

// rt_sigreturn()
TEXT ·restorer(SB),NOSPLIT|NOFRAME,$0-0
	MOVD	$139, R8
	SVC
	BRK

TEXT ·addresses(SB),NOSPLIT,$0-16
	MOVD	$·handler(SB), R0
	MOVD	R0, handler+0(FP)
	MOVD	$·restorer(SB), R0
	MOVD	R0, restorer+8(FP)
	RET
