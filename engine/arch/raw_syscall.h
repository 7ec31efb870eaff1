/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A system call without libc, for the parasite. */
#ifndef STEPDUMP_ARCH_RAW_SYSCALL_H
#define STEPDUMP_ARCH_RAW_SYSCALL_H

static inline long arch_syscall4(long nr, long a, long b, long c, long d)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
#else
#error "a system call of this processor"
#endif
}

/* Restores the extended state and goes on in the stub (engine/arch/stub.h): what is restored is what
 * compiled code may have changed, x87, SSE, AVX and AVX-512. */
static inline void arch_leave(const void *xstate, unsigned long stub, unsigned long map_start,
			      unsigned long map_len)
{
#if defined(__x86_64__)
	register unsigned long r14 __asm__("r14") = map_len;
	register unsigned long r13 __asm__("r13") = map_start;
	register long r12 __asm__("r12") = -1;

	__asm__ volatile("xrstor64 (%0)\n\tjmp *%1"
			 :
			 : "r"(xstate), "r"(stub), "a"(0xe7), "d"(0), "r"(r12), "r"(r13), "r"(r14)
			 : "memory");
#endif
}

#endif
