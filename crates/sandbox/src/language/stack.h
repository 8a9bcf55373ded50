/* Included before every C and C++ program. The C library takes the stack size of threads from the stack limit a program
   starts with, so that is a small one (`launch.py`); here it is raised again for the main thread, whose stack grows only as
   far as it is used: to half of the memory, or 64 MiB. No header and no library is used: a program may define any name. */
#if defined(__x86_64__) || defined(__aarch64__)
static inline long __hone_limit(long which, const void *wanted, void *found) {
    long result;
#if defined(__x86_64__)
    register void *fourth __asm__("r10") = found;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(302L), "D"(0L), "S"(which), "d"(wanted), "r"(fourth)
                     : "rcx", "r11", "memory");
#else
    register long number __asm__("x8") = 261;
    register long first __asm__("x0") = 0;
    register long second __asm__("x1") = which;
    register const void *third __asm__("x2") = wanted;
    register void *fourth __asm__("x3") = found;
    __asm__ volatile("svc 0" : "+r"(first) : "r"(number), "r"(second), "r"(third), "r"(fourth) : "memory");
    result = first;
#endif
    return result;
}

__attribute__((constructor(101))) static void __hone_raise_stack(void) {
    enum { DATA = 2, STACK = 3 };
    unsigned long data[2], stack[2];
    if (__hone_limit(DATA, 0, data) != 0 || __hone_limit(STACK, 0, stack) != 0) return;
    unsigned long most = data[0] / 2 < (64ul << 20) ? data[0] / 2 : 64ul << 20;
    if (most > stack[1]) most = stack[1];
    if (most > stack[0]) {
        stack[0] = most;
        __hone_limit(STACK, stack, 0);
    }
}
#endif
