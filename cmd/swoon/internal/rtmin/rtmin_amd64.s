#include "textflag.h"

// write(note, &one, 8)
TEXT ·handler(SB),NOSPLIT|NOFRAME,$0-0
	MOVL	·note(SB), DI
	LEAQ	·one(SB), SI
	MOVL	$8, DX
	MOVL	$1, AX
	SYSCALL
	RET

// rt_sigreturn()
TEXT ·restorer(SB),NOSPLIT|NOFRAME,$0-0
	MOVL	$15, AX
	SYSCALL
	INT	$3

TEXT ·addresses(SB),NOSPLIT,$0-16
	LEAQ	·handler(SB), AX
	MOVQ	AX, handler+0(FP)
	LEAQ	·restorer(SB), AX
	MOVQ	AX, restorer+8(FP)
	RET
