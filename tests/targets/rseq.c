/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `rseq STATUS`: threads on one CPU add to one counter, each in a restartable sequence: load, a
 * pause, store.  Whoever is interrupted in between must begin again, or it overwrites what the others
 * have added meanwhile.  The sum of `added`, less `counter`, is what was lost so; it stays 0.
 *
 * STATUS holds, as struct status, what the threads did; the tester reads it while they run.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <unistd.h>

#define NR_THREADS 8

static struct status {
	uint64_t stop; /* the tester sets it: the threads end, the process with them */
	uint64_t counter;
	uint64_t added[NR_THREADS];  /* by each thread, the leader first, counted after its store */
	uint64_t aborts[NR_THREADS]; /* sequences that were interrupted and begun again */
} * status;

#if defined(__x86_64__) && defined(RSEQ_SIG)
/* One addition.  The pause is some 100 microseconds of counting, so that interruptions hit it. */
static void add_one(struct rseq *area, uint64_t *counter, uint64_t *aborts)
{
	uint64_t seen, rounds;

	__asm__ __volatile__(
		".pushsection .data.rel, \"aw\"\n\t"
		".balign 32\n"
		"3:\n\t"
		".long 0, 0\n\t"
		".quad 1f, 2f - 1f, 4f\n\t"
		".popsection\n\t"
		"jmp 5f\n\t"
		".long %c[sig]\n" /* the kernel looks for it before the abort handler */
		"4:\n\t"
		"lock incq %[aborts]\n"
		"5:\n\t"
		"leaq 3b(%%rip), %[seen]\n\t"
		"movq %[seen], %[cs]\n"
		"1:\n\t"
		"movq %[counter], %[seen]\n\t"
		"movl $200000, %k[rounds]\n"
		"6:\n\t"
		"decl %k[rounds]\n\t"
		"jnz 6b\n\t"
		"incq %[seen]\n\t"
		"movq %[seen], %[counter]\n"
		"2:\n\t"
		: [seen] "=&r"(seen), [rounds] "=&r"(rounds), [counter] "+m"(*counter),
		  [aborts] "+m"(*aborts), [cs] "=m"(area->rseq_cs)
		: [sig] "i"(RSEQ_SIG)
		: "cc", "memory");
}

static void *adder(void *arg)
{
	size_t me = (size_t)arg;
	struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);

	while (!__atomic_load_n(&status->stop, __ATOMIC_ACQUIRE)) {
		add_one(area, &status->counter, &status->aborts[me]);
		__atomic_add_fetch(&status->added[me], 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	cpu_set_t one;
	pthread_t t[NR_THREADS];

	if (!__rseq_size) {
		printf("the C library has registered no rseq area\n");
		return 77;
	}
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (fd < 0 || ftruncate(fd, sizeof(*status)) || sched_setaffinity(0, sizeof(one), &one))
		return 1;
	status = mmap(NULL, sizeof(*status), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (status == MAP_FAILED)
		return 1;
	for (size_t i = 1; i < NR_THREADS; i++)
		if (pthread_create(&t[i], NULL, adder, (void *)i))
			return 1;
	printf("READY %d\n", getpid());
	fflush(stdout);
	adder((void *)0);
	for (size_t i = 1; i < NR_THREADS; i++)
		pthread_join(t[i], NULL);
	return 0;
}
#else
int main(void)
{
	printf("written for x86-64 alone\n");
	return 77;
}
#endif
