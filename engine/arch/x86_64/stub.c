/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/arch/stub.h"

#include <string.h>

#define STR(x) #x
#define XSTR(x) STR(x)
#define SCRATCH 64 /* ARCH_STUB_SCRATCH */

#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516
#define NR_RESTART_SYSCALL 219
#define LEN_SYSCALL 2
#define EFLAGS_TF 0x100ul

/*
 * r12: the descriptor that is ours, or -1; r13, r14: the mapping and its length, or 0; r15: how the call
 * at `call` is undone; rbx: the length of a mapping that it makes.
 * mov and lea leave the flags alone.  The stack pointer is the program's own again before the signals
 * are unblocked: a handler may run then.
 */
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"stub_start:\n"
	"stub_call:\n"
	"	syscall\n"
	"	cmp	$1, %r15d\n"
	"	je	7f\n"
	"	cmp	$2, %r15d\n"
	"	je	8f\n"
	"stub_leave:\n"
	"	test	%r12d, %r12d\n"
	"	js	2f\n"
	"	mov	%r12d, %edi\n"
	"	mov	$3, %eax\n" /* close */
	"stub_close:\n"
	"	syscall\n"
	"2:	test	%r14, %r14\n"
	"	jz	3f\n"
	"	mov	%r13, %rdi\n"
	"	mov	%r14, %rsi\n"
	"	mov	$11, %eax\n" /* munmap */
	"stub_unmap:\n"
	"	syscall\n"
	"3:	lea	20f(%rip), %rsp\n"
	"	popfq\n"
	"	mov	21f(%rip), %rsp\n"
	"	mov	$14, %eax\n" /* rt_sigprocmask */
	"	mov	$2, %edi\n"  /* SIG_SETMASK */
	"	lea	22f(%rip), %rsi\n"
	"	mov	$0, %edx\n"
	"	mov	$8, %r10d\n"
	"stub_restore:\n"
	"	syscall\n"
	"	mov	23f(%rip), %r15\n"
	"	mov	24f(%rip), %r14\n"
	"	mov	25f(%rip), %r13\n"
	"	mov	26f(%rip), %r12\n"
	"	mov	27f(%rip), %rbp\n"
	"	mov	28f(%rip), %rbx\n"
	"	mov	29f(%rip), %r11\n"
	"	mov	30f(%rip), %r10\n"
	"	mov	31f(%rip), %r9\n"
	"	mov	32f(%rip), %r8\n"
	"	mov	33f(%rip), %rax\n"
	"	mov	34f(%rip), %rcx\n"
	"	mov	35f(%rip), %rdx\n"
	"	mov	36f(%rip), %rsi\n"
	"	mov	37f(%rip), %rdi\n"
	"	jmp	*38f(%rip)\n"
	"7:	test	%rax, %rax\n" /* a new descriptor */
	"	js	stub_leave\n"
	"	mov	%eax, %r12d\n"
	"	jmp	stub_leave\n"
	"8:	cmp	$-4096, %rax\n" /* a new mapping */
	"	ja	stub_leave\n"
	"	mov	%rax, %r13\n"
	"	mov	%rbx, %r14\n"
	"	jmp	stub_leave\n"
	".balign 8, 0xcc\n"
	"stub_data:\n"
	"20:	.quad	0\n"
	"21:	.quad	0\n"
	"22:	.quad	0\n"
	"23:	.quad	0\n"
	"24:	.quad	0\n"
	"25:	.quad	0\n"
	"26:	.quad	0\n"
	"27:	.quad	0\n"
	"28:	.quad	0\n"
	"29:	.quad	0\n"
	"30:	.quad	0\n"
	"31:	.quad	0\n"
	"32:	.quad	0\n"
	"33:	.quad	0\n"
	"34:	.quad	0\n"
	"35:	.quad	0\n"
	"36:	.quad	0\n"
	"37:	.quad	0\n"
	"38:	.quad	0\n"
	"stub_scratch:\n"
	"	.zero	" XSTR(SCRATCH) "\n"
					"stub_end:\n"
					".balign 8\n"
					".globl arch_stub\n"
					".type arch_stub, @object\n"
					".size arch_stub, 32\n"
					"arch_stub:\n"
					"	.long	stub_end - stub_start\n"
					"	.long	stub_data - stub_start\n"
					"	.long	stub_call - stub_start\n"
					"	.long	stub_leave - stub_start\n"
					"	.long	stub_close - stub_start\n"
					"	.long	stub_unmap - stub_start\n"
					"	.long	stub_restore - stub_start\n"
					"	.long	stub_scratch - stub_start\n"
					".popsection\n");

extern const uint8_t stub_start[], stub_data[];

_Static_assert(SCRATCH == ARCH_STUB_SCRATCH, "the same");

void arch_stub_resume(const struct user_regs_struct *own, struct user_regs_struct *ret)
{
	*ret = *own;
	ret->orig_rax = (unsigned long long)-1;
	if ((long long)own->orig_rax < 0)
		return;
	switch (-(long long)own->rax) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
		ret->rax = own->orig_rax;
		ret->rip -= LEN_SYSCALL;
		break;
	case ERESTART_RESTARTBLOCK:
		ret->rax = NR_RESTART_SYSCALL;
		ret->rip -= LEN_SYSCALL;
		break;
	}
}

void arch_stub_make(const struct user_regs_struct *own, uint64_t sigmask, uint8_t *out)
{
	struct user_regs_struct r;

	arch_stub_resume(own, &r);
	/* With the trap flag the very next instruction would raise a SIGTRAP that is blocked, which kills:
	 * a program that steps through itself loses the flag then. */
	const uint64_t data[] = {
		r.eflags & ~EFLAGS_TF,
		r.rsp,
		sigmask,
		r.r15,
		r.r14,
		r.r13,
		r.r12,
		r.rbp,
		r.rbx,
		r.r11,
		r.r10,
		r.r9,
		r.r8,
		r.rax,
		r.rcx,
		r.rdx,
		r.rsi,
		r.rdi,
		r.rip,
	};

	memcpy(out, stub_start, arch_stub.len);
	memcpy(out + arch_stub.code, data, sizeof(data));
}

void arch_stub_args(struct user_regs_struct *r, enum arch_stub_undo undo, uint64_t map_len,
		    const struct arch_stub_own *own)
{
	r->eflags &= ~EFLAGS_TF; /* see arch_stub_make() */
	r->r12 = (unsigned long long)own->fd;
	r->r13 = own->start;
	r->r14 = own->len;
	r->r15 = undo;
	r->rbx = map_len;
}
