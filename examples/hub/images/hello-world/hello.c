// SPDX-License-Identifier: Apache-2.0
// A greeting without a C library: the whole image is this program.

static const char kGreeting[] =
    "\n"
    "Hello from Docker!\n"
    "If you can read this, your installation works.\n"
    "\n"
    "What happened on the way here:\n"
    " 1. The client asked the engine for a container of the image \"hello-world\".\n"
    " 2. The engine found the image in its store, or fetched it from a registry.\n"
    " 3. It made a container of the image, whose only program wrote this text.\n"
    " 4. The engine passed the text on to the client, and the client to you.\n"
    "\n"
    "Something with more to look at:\n"
    " $ berth run -it ubuntu bash\n"
    "\n";

static long system_call(long number, long a, long b, long c) {
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#else
#error "no system call instruction known for this architecture"
#endif
}

#if defined(__x86_64__)
enum { kWrite = 1, kExit = 231 };
#else
enum { kWrite = 64, kExit = 94 };
#endif

void _start(void) {
    const char* rest = kGreeting;
    const char* end = kGreeting + sizeof kGreeting - 1;
    while (rest < end) {
        long written = system_call(kWrite, 1, (long)rest, end - rest);
        if (written <= 0) {
            system_call(kExit, 1, 0, 0);
        }
        rest += written;
    }
    system_call(kExit, 0, 0, 0);
}
