"""Programs that try to get out of the sandbox, by the name of what they try; `reach` prints ESCAPED where a try succeeds.

Each must be harmless where the sandbox is broken, since the tests may run as root on somebody's machine: a program that finds
itself outside stops at once, and none changes a file, a process or a setting that the tests have not made themselves.
"""

PRELUDE = """
import ctypes, json, os, resource, signal, socket, stat, struct, subprocess, sys, threading, time
facts = json.load(open("facts.json"))
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(15, facts["name"].encode())
if os.path.exists(facts["file"]):
    print("tried: ESCAPED, for this runs outside")
    sys.exit()

def reach(action):
    try:
        result = action()
    except BaseException as error:
        print("tried:", type(error).__name__, error)
    else:
        print("tried:", "ESCAPED", result)

def attempt(action):
    try:
        action()
    except BaseException:
        pass
    print("tried:")

def invoke(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)

def may_read(pid, part):
    if libc.process_vm_readv(pid, part, 1, part, 1, 0) == -1 and ctypes.get_errno() != 14:  # a bad address was looked at
        raise OSError(ctypes.get_errno(), "process_vm_readv")
"""

ESCAPES = {
    "TCP to the internet": "reach(lambda: socket.create_connection(('1.1.1.1', 53), 2))",
    "TCP to the parent's loopback server": "reach(lambda: socket.create_connection(('127.0.0.1', facts['tcp']), 2))",
    "UDP to the parent's loopback socket": (
        "reach(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'out', ('127.0.0.1', facts['udp'])))"
    ),
    "Unix socket of the parent": "reach(lambda: socket.socket(socket.AF_UNIX).connect(facts['unix']))",
    "abstract Unix socket of the parent": "reach(lambda: socket.socket(socket.AF_UNIX).connect('\\0' + facts['name']))",
    "DNS": "reach(lambda: socket.getaddrinfo('example.com', 80))",
    "HTTP": "import urllib.request\nreach(lambda: urllib.request.urlopen(f'http://127.0.0.1:{facts[\"tcp\"]}/', timeout=2))",
    "shell with network": (
        "reach(lambda: subprocess.run(['bash', '-c', f'echo out > /dev/tcp/127.0.0.1/{facts[\"tcp\"]}'], check=True))"
    ),
    "C library's system with network": (
        "attempt(lambda: libc.system(f\"bash -c 'echo out > /dev/tcp/127.0.0.1/{facts['tcp']}'\".encode()))"
    ),
    "write to the home folder": "reach(lambda: open(facts['home'] + '/' + facts['name'], 'w').write('x'))",
    "write to /tmp": "attempt(lambda: open('/tmp/' + facts['name'], 'w').write('x'))",
    "write to /etc": "reach(lambda: open('/etc/' + facts['name'], 'w').write('x'))",
    "write to the root": "reach(lambda: os.mkdir('/' + facts['name']))",
    "write to /dev/shm": "attempt(lambda: open('/dev/shm/' + facts['name'], 'w').write('x'))",
    "write to the package's folder": "reach(lambda: open(facts['package'] + '/' + facts['name'], 'w').write('x'))",
    "write to every folder of sys.path": (
        "for folder in sys.path[1:]:\n    reach(lambda: open(folder + '/' + facts['name'], 'w').write('x'))"
    ),
    "write to the standard library": "reach(lambda: os.open(os.__file__, os.O_WRONLY))",
    "overwrite a file outside": "reach(lambda: open(facts['file'], 'w').write('x'))",
    "delete a file outside": "reach(lambda: os.remove(facts['file']))",
    "move the standard library": "reach(lambda: os.rename(os.__file__, os.__file__))",
    "rename, chmod and chown outside": (
        "reach(lambda: os.rename(facts['file'], facts['file'] + '.moved'))\nreach(lambda: os.chmod(facts['file'], 0))\n"
        "was = os.stat(os.__file__)\nreach(lambda: os.chown(os.__file__, was.st_uid, was.st_gid))\n"
        "reach(lambda: os.chmod(os.__file__, stat.S_IMODE(was.st_mode)))\n"
        "reach(lambda: os.utime(os.__file__, ns=(was.st_atime_ns, was.st_mtime_ns)))"
    ),
    "read a file outside": "reach(lambda: open(facts['file']).read())",
    "read outside by dots": "reach(lambda: open('../' * 20 + facts['file']).read())",
    "read outside by a symlink": "os.symlink(facts['file'], 'link')\nreach(lambda: open('link').read())",
    "write outside by a symlink": "os.symlink(facts['file'], 'link')\nreach(lambda: open('link', 'a').write('x'))",
    "symlink to a folder outside": "os.symlink(os.path.dirname(facts['file']), 'link')\nreach(lambda: os.listdir('link'))",
    "symlink through /proc": "os.symlink('/proc/1/root', 'link')\nreach(lambda: os.listdir('link'))",
    "hard link out of the scratch folder": "reach(lambda: os.link(os.__file__, 'link'))",
    "read the user's keys": (
        "for name in ('.ssh', '.netrc', '.aws', '.config', '.bash_history', '.gnupg', '.gitconfig'):\n"
        "    reach(lambda: os.stat(facts['home'] + '/' + name))"
    ),
    "read the home folders": (
        "for folder in ('/root', '/home', facts['home']):\n"
        "    shown = [name for name in (os.listdir(folder) if os.path.isdir(folder) else ())]\n"
        "    seen = [name for name in shown if name not in facts['ways']]\n"
        "    print('tried:', 'ESCAPED' if seen else '', seen)"
    ),
    "read the parent's /tmp": (
        "seen = [n for n in os.listdir('/tmp') if n not in (*facts['ways'], 'program.py', 'facts.json')]\n"
        "print('tried:', 'ESCAPED' if seen else '', seen)"
    ),
    "read system secrets": (
        "for name in ('shadow', 'passwd', 'hosts', 'resolv.conf'):\n    reach(lambda: open('/etc/' + name).read())"
    ),
    "read /run and /var": "for name in ('/run', '/var', '/mnt', '/opt', '/srv', '/boot'):\n    seen = [n for n in "
    "(os.listdir(name) if os.path.isdir(name) else ()) if n not in facts['ways']]\n"
    "    print('tried:', 'ESCAPED' if seen else '', seen)",
    "find another root": (
        "known = ('dev', 'tmp', 'usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'etc', 'nix', *facts['ways'])\n"
        "seen = [name for name in os.listdir('/') if name not in known]\nprint('tried:', 'ESCAPED' if seen else '', seen)"
    ),
    "read the environment": "print('tried:', dict(os.environ))\nsubprocess.run(['env'])",
    "read the parent's environment": "reach(lambda: open(f'/proc/{facts[\"parent\"]}/environ').read())",
    "read any /proc": "reach(lambda: os.listdir('/proc'))\nreach(lambda: os.listdir('/sys'))",
    "write a kernel setting": "reach(lambda: os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY))",
    "inherited files": "for fd in range(3, 64):\n    reach(lambda: os.read(fd, 100))",
    "standard input": "seen = sys.stdin.read()\nprint('tried:', 'ESCAPED' if seen else '', seen)",
    "signal the parent": "reach(lambda: os.kill(facts['parent'], 0))",
    "kill a process": "reach(lambda: os.kill(facts['bystander'], signal.SIGKILL))",
    "kill a process group": "reach(lambda: os.killpg(facts['bystander'], signal.SIGKILL))",
    "signal everything": "attempt(lambda: os.kill(-1, signal.SIGCONT))",
    "kill the init": "attempt(lambda: os.kill(1, signal.SIGKILL))",
    "kill the parent's group": "attempt(lambda: os.kill(os.getppid(), signal.SIGKILL))",
    "ptrace": "reach(lambda: invoke('ptrace', 16, facts['bystander'], 0, 0))",
    "ptrace the init": "reach(lambda: invoke('ptrace', 16, os.getppid(), 0, 0))",
    "read another process' memory": (
        "part = struct.pack('PN', ctypes.addressof(ctypes.create_string_buffer(8)), 8)\n"
        "reach(lambda: may_read(facts['bystander'], part))"
    ),
    "read the init's memory": (
        "part = struct.pack('PN', ctypes.addressof(ctypes.create_string_buffer(8)), 8)\n"
        "reach(lambda: may_read(os.getppid(), part))"
    ),
    "mount": "reach(lambda: invoke('mount', b'tmpfs', b'/usr', b'tmpfs', 0, None))",
    "remount writable": "for p in (b'/', b'/usr'):\n    reach(lambda: invoke('mount', None, p, None, 0x1020, None))",
    "umount": "for p in (b'/usr', b'/tmp', b'/'):\n    reach(lambda: invoke('umount2', p, 2))",
    "chroot": "reach(lambda: os.chroot('/usr'))",
    "pivot_root": "reach(lambda: invoke('syscall', 155 if os.uname().machine == 'x86_64' else 41, b'/tmp', b'/tmp'))",
    "mount_setattr": (
        "clear = struct.pack('4Q', 0, 1, 0, 0)\n"
        "reach(lambda: invoke('syscall', 442, -100, b'/usr', 0, clear, ctypes.c_size_t(32)))"
    ),
    "become root": "for how in (os.setuid, os.seteuid, os.setgid, os.setegid):\n    reach(lambda: how(0))\n"
    "reach(lambda: os.setresuid(0, 0, 0))\nreach(lambda: os.setgroups([0]))",
    "setuid program": (
        "import shutil\nreach(lambda: subprocess.run([shutil.which('su') or 'su', '-c', 'id'], check=True, timeout=5))\n"
        "shutil.copy('/usr/bin/id', 'id')\nattempt(lambda: os.chmod('id', 0o6755))\n"
        "print('ESCAPED' if 'uid=0' in subprocess.run(['./id'], capture_output=True, text=True).stdout else '')"
    ),
    "gain capabilities": (
        "header, data = struct.pack('Ii', 0x20080522, 0), struct.pack('6I', *[0xffffffff] * 6)\n"
        "reach(lambda: invoke('capset', header, data))\n"
        "empty = ctypes.create_string_buffer(24)\nlibc.capget(header, empty)\n"
        "print('ESCAPED' if any(empty.raw[:8]) else 'none', empty.raw)"
    ),
    "new user namespace": "reach(lambda: invoke('unshare', 0x10000000))\n"
    "reach(lambda: subprocess.run(['unshare', '-Ur', 'id'], check=True))",
    "clone into a user namespace": (
        "number = 56 if os.uname().machine == 'x86_64' else 220\n"
        "def clone():\n    pid = libc.syscall(number, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)\n"
        "    if pid == 0: os._exit(0)\n    if pid < 0: raise OSError(ctypes.get_errno(), 'clone')\nreach(clone)"
    ),
    "join the parent's namespaces": "reach(lambda: invoke('setns', os.open(f'/proc/{facts[\"parent\"]}/ns/net', 0), 0))",
    "device nodes": (
        "for name in ('mem', 'kmem', 'kmsg', 'port', 'sda', 'vda', 'nvme0n1', 'loop0', 'tty', 'console', 'fuse', 'kvm', 'ptmx',\n"
        "             'net/tun', 'nvidia0', 'nvidiactl', 'snd', 'input', 'vsock', 'vhost-vsock', 'uinput'):\n"
        "    reach(lambda: os.stat('/dev/' + name))"
    ),
    "make a device node": "reach(lambda: os.mknod('disk', stat.S_IFBLK | 0o666, os.makedev(254, 0)))",
    "raise a limit": "for name in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):\n"
    "    reach(lambda: resource.setrlimit(name, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))",
    "raise the priority": "reach(lambda: os.nice(-5))",
    "host name": "reach(lambda: socket.sethostname(socket.gethostname()))\nprint(socket.gethostname() == 'sandbox' or 'ESCAPED')",
    "clock": "reach(lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()))",
    "VSOCK to the hypervisor": "reach(lambda: socket.socket(socket.AF_VSOCK).connect((2, 1)))",
    "netlink and packet sockets": "reach(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))\n"
    "reach(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3))",
    "io_uring, bpf, userfaultfd, keyctl": (
        "x86 = os.uname().machine == 'x86_64'\n"
        "for number in (425, 321 if x86 else 280, 323 if x86 else 282, 250 if x86 else 219):\n"
        "    reach(lambda: invoke('syscall', number, 0, 0, 0, 0, 0))"
    ),
    "memory outside the limits": (
        "reach(lambda: os.memfd_create('x'))\nreach(lambda: invoke('shmget', 0, 1 << 20, 0o1600))\n"
        "reach(lambda: invoke('mlock', ctypes.create_string_buffer(1 << 20), 1 << 20))"
    ),
}

FILTERED = {
    "kill the parent's group", "new user namespace", "clone into a user namespace", "VSOCK to the hypervisor",
    "netlink and packet sockets", "io_uring, bpf, userfaultfd, keyctl", "memory outside the limits", "ptrace the init",
    "UDP to the parent's loopback socket",
}  # fmt: skip
"""What the filter alone forbids; without it nothing is reached outside either, but the call itself may succeed."""

BOMBS = {
    "fork bomb": ("while True:\n    try: os.fork()\n    except OSError: time.sleep(0.01)", {"timeout"}),
    "thread bomb": (
        ("wait = lambda: time.sleep(60)\nwhile True:\n    try: threading.Thread(target=wait).start()\n"
            "    except RuntimeError: time.sleep(0.01)"),
        {"timeout"},
    ),
    "memory bomb": ("kept = []\nwhile True: kept.append(bytearray(1 << 20))", {"memory"}),
    "memory bomb of many processes": (
        ("for _ in range(20):\n    try: os.fork()\n    except OSError: break\nkept = []\n"
        "while True:\n    try: kept.append(bytearray(1 << 20))\n    except MemoryError: time.sleep(60)"),
        {"timeout"},
    ),
    "scratch bomb": (
        ("for n in range(100):\n    try: open(str(n), 'wb').write(bytes(1 << 20))\n    except OSError: break\n"
        "print('written', n)\nassert n <= 8"),
        {"finished"},
    ),
    "huge file": (
        ("for how in (lambda f: f.truncate(1 << 40), lambda f: f.write(bytes(5 << 20))):\n"
        "    try:\n        with open('big', 'wb') as f: how(f)\n    except OSError as error: print(error)\n"
        "assert os.path.getsize('big') <= 4 << 20"),
        {"finished"},
    ),
    "many open files": (
        ("kept = []\ntry:\n    while True: kept.append(open('/dev/null'))\nexcept OSError: pass\n"
        "print('opened', len(kept))\nassert len(kept) < 64"),
        {"finished"},
    ),
    "many inodes": (
        "n = 0\ntry:\n    while True:\n        n += 1\n        os.mkdir(str(n))\nexcept OSError: pass\nassert n < 5000",
        {"finished", "cpu"},
    ),
    "processor loop": ("while True: pass", {"cpu"}),
    "processor loop that ignores the signal": ("signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", {"signal"}),
    "sleep forever": ("time.sleep(1000)", {"timeout"}),
    "sleep that ignores every signal": (
        "for number in range(1, 32):\n    try: signal.signal(number, signal.SIG_IGN)\n    except OSError: pass\ntime.sleep(1000)",
        {"timeout"},
    ),
    "sleep behind closed outputs": ("os.close(1); os.close(2)\ntime.sleep(1000)", {"timeout"}),
    "stopped process": ("os.kill(os.getpid(), signal.SIGSTOP)", {"timeout"}),
    "output flood": ("while True: os.write(1, b'x' * 65536)", {"output"}),
    "error flood": ("while True: os.write(2, b'x' * 65536)", {"output"}),
    "output flood of a child": ("if os.fork() == 0:\n    while True: os.write(1, b'x' * 65536)\ntime.sleep(1000)", {"output"}),
    "daemon": (
        ("if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.closerange(0, 64)\n        time.sleep(1000)\n"
        "    os._exit(0)\nprint('left')"),
        {"finished"},
    ),
    "daemon that keeps the output open": (
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(1000)\n    os._exit(0)\nprint('left')",
        {"finished"},
    ),
    "daemon of a shell": ("subprocess.Popen('setsid sleep 1000 & disown', shell=True)\nprint('left')", {"finished"}),
}  # fmt: skip
