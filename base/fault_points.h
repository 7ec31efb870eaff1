/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of fault points (base/fault.h), in the order in which a dump meets them; no include guard.
 * FAULT_POINT(id, name, phase, what fails): the phase is "" outside the pipeline, and it says what
 * conditions there can be.
 */

/* attach: the keeper */
FAULT_POINT(SEIZE, "seize", "", "PTRACE_SEIZE of a thread")
FAULT_POINT(SEIZE_WAIT, "seize-wait", "", "waiting until a thread has stopped")
FAULT_POINT(SEIZE_REGS, "seize-regs", "", "reading the registers of a stopped thread")
FAULT_POINT(SEIZE_MEM, "seize-mem", "", "opening /proc/PID/mem")
FAULT_POINT(KEEPER_REPLY, "keeper-reply", "", "an answer of the keeper")
/* attach: stepdump */
FAULT_POINT(KEEPER_CALL, "keeper-call", "", "a request to the keeper")
FAULT_POINT(ATTACH_PAGEMAP, "attach-pagemap", "", "opening /proc/PID/pagemap")
FAULT_POINT(ATTACH_VMAS, "attach-vmas", "", "reading /proc/PID/smaps")

/* prepare */
FAULT_POINT(TASK_INFO, "task-info", "prepare", "collecting what the images tell of a task")
FAULT_POINT(SHMEM_OPEN, "shmem-open", "prepare", "opening a shared-memory object")
FAULT_POINT(PARENT_OPEN, "parent-open", "prepare", "opening the parent")
FAULT_POINT(TRACKER, "tracker", "prepare", "finding what tracks writes")
FAULT_POINT(UFFD_PULL, "uffd-pull", "prepare", "taking a descriptor out of the target")
FAULT_POINT(SERVER_CONNECT, "server-connect", "prepare", "connecting to the page server")

/* prepare, in the keeper: a borrowed thread, the infection */
FAULT_POINT(BORROW_REGS, "borrow-regs", "prepare", "saving the registers")
FAULT_POINT(BORROW_TEXT, "borrow-text", "prepare", "reading the program's text")
FAULT_POINT(JOURNAL, "journal", "prepare", "writing the journal of what is borrowed")
FAULT_POINT(BORROW_MASK, "borrow-mask", "prepare", "blocking the signals")
FAULT_POINT(INJECT, "inject", "prepare", "running a system call in the target")
FAULT_POINT(INJECT_RESULT, "inject-result", "prepare", "a system call in the target, which says so")
FAULT_POINT(INFECT_SOCK, "infect-sock", "prepare", "making the socket for the parasite")
FAULT_POINT(INFECT_LOG, "infect-log", "prepare", "making the parasite's log")
FAULT_POINT(INFECT_RUN, "infect-run", "prepare", "starting the parasite")
FAULT_POINT(INFECT_CHANNEL, "infect-channel", "prepare", "opening the channel to the parasite")

/* commands to the parasite; those that name it fail in the target itself */
FAULT_POINT(RPC_SEND, "rpc-send", "", "sending a command to the parasite")
FAULT_POINT(RPC_REPLY, "rpc-reply", "", "receiving the parasite's answer")
FAULT_POINT(PARASITE_BRK, "parasite-brk", "prepare", "PC_BRK in the target")
FAULT_POINT(PARASITE_DUMPABLE, "parasite-dumpable", "prepare", "PC_DUMPABLE in the target")
FAULT_POINT(PARASITE_THP, "parasite-thp", "prepare", "PC_THP_DISABLED in the target")
FAULT_POINT(PARASITE_MPROTECT, "parasite-mprotect", "prepare",
	    "PC_MPROTECT in the target, after N mappings")
FAULT_POINT(PARASITE_UNPROTECT, "parasite-unprotect", "reset",
	    "PC_MPROTECT back in the target, after N mappings")
FAULT_POINT(PARASITE_DUMP_PAGES, "parasite-dump-pages", "drain",
	    "PC_DUMP_PAGES in the target, after N iovs")

/* prepare: the rest */
FAULT_POINT(FI_DUMP_PAGES, "FI_DUMP_PAGES", "prepare",
	    "dumping pages, as CRIU's fault of that name")
FAULT_POINT(STAGING_PARENT, "staging-parent", "prepare", "opening the directory to stage in")
FAULT_POINT(STAGING_MKDIR, "staging-mkdir", "prepare", "making the staging directory")
FAULT_POINT(STAGING_OPEN, "staging-open", "prepare", "opening the staging directory")
FAULT_POINT(XFER_PAGEMAP, "xfer-pagemap", "prepare", "creating a pagemap image")
FAULT_POINT(XFER_PAGES, "xfer-pages", "prepare", "creating a pages file")

/* pmc-fill, generate-iovs, drain */
FAULT_POINT(PAGEMAP_SCAN, "pagemap-scan", "pmc-fill", "PAGEMAP_SCAN")
FAULT_POINT(PAGEMAP_READ, "pagemap-read", "pmc-fill", "reading /proc/PID/pagemap")
FAULT_POINT(SHMEM_SEEK, "shmem-seek", "generate-iovs", "looking for data in shared memory")
FAULT_POINT(PIPE_MAKE, "pipe-make", "generate-iovs", "making a pipe")
FAULT_POINT(PIPE_GROW, "pipe-grow", "generate-iovs", "growing a pipe (a smaller one will do)")
FAULT_POINT(DRAIN_FIONREAD, "drain-fionread", "drain", "counting what is in a pipe")
FAULT_POINT(DRAIN_SHMEM, "drain-shmem", "drain", "splicing shared memory into a pipe")

/* xfer */
FAULT_POINT(XFER_SPLICE, "xfer-splice", "xfer", "splicing a pipe into a pages file")
FAULT_POINT(XFER_MOVE, "xfer-move", "xfer",
	    "copying pages into a file in memory, by the second thread")
FAULT_POINT(XFER_WRITE, "xfer-write", "xfer", "writing pages that were read (pre-dump read)")
FAULT_POINT(XFER_READV, "xfer-readv", "xfer", "process_vm_readv (pre-dump read)")
FAULT_POINT(XFER_ENTRY, "xfer-entry", "xfer", "writing a pagemap entry")
FAULT_POINT(XFER_CLOSE, "xfer-close", "xfer", "closing a pages file")
FAULT_POINT(SERVER_SEND, "server-send", "xfer", "sending to the page server")
FAULT_POINT(SERVER_RECV, "server-recv", "xfer", "an answer of the page server")

/* reset */
FAULT_POINT(UPTIME, "uptime", "reset", "taking the time of the dump")
FAULT_POINT(RECHECK_VMAS, "recheck-vmas", "", "reading /proc/PID/smaps again, in batch")
FAULT_POINT(FILES_COLLECT, "files-collect", "reset", "collecting the files of the target")
FAULT_POINT(PARENT_LINK, "parent-link", "reset", "making the parent link")
FAULT_POINT(IMAGE_CREATE, "image-create", "", "creating an image")
FAULT_POINT(IMAGE_WRITE, "image-write", "", "writing an image")
FAULT_POINT(IMAGE_CLOSE, "image-close", "", "closing an image")
FAULT_POINT(IMAGE_OPEN, "image-open", "", "opening an image")
FAULT_POINT(IMAGE_READ, "image-read", "", "reading an image")
FAULT_POINT(SYNC_FILE, "sync-file", "reset", "making a staged file durable")
FAULT_POINT(SYNC_DIR, "sync-dir", "reset", "making the staging directory durable")
FAULT_POINT(PUBLISH_MODE, "publish-mode", "reset", "setting the mode of the set")
FAULT_POINT(PUBLISH_RENAME, "publish-rename", "reset",
	    "renaming the set into its place (EXDEV: it is copied)")
FAULT_POINT(PUBLISH_COPY, "publish-copy", "reset", "copying the set to another file system")
FAULT_POINT(PUBLISH_NAME, "publish-name", "reset", "making the new name durable")
FAULT_POINT(SOFT_DIRTY, "soft-dirty", "reset", "clearing the soft-dirty bits")
FAULT_POINT(UFFD_REGISTER, "uffd-register", "reset",
	    "registering with the userfaultfd (such memory is dumped whole)")
FAULT_POINT(FINAL_TIMES, "final-times", "",
	    "completing the times of a published set (they stay as they are)")
FAULT_POINT(FINAL_RENAME, "final-rename", "",
	    "renaming the new times into a published set (they stay as they are)")

/* putting back */
FAULT_POINT(CURE_TALK, "cure-talk", "", "asking the parasite to end (it is taken out from outside)")
FAULT_POINT(CURE_UNMAP, "cure-unmap", "", "unmapping the parasite (it is tried again)")
FAULT_POINT(DETACH, "detach", "", "PTRACE_DETACH (it is tried again)")
FAULT_POINT(STAGING_CLEAR, "staging-clear", "",
	    "removing a staged file (the keeper does it at the end)")
FAULT_POINT(STAGING_RMDIR, "staging-rmdir", "",
	    "removing the staging directory (the keeper does it at the end)")
