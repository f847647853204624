"""The command `kale-rs`, also as `python -m kale_rs`; the engine process is started by this file's path."""

import os
import sys

if not __package__:
    # Started by path, as an engine is: Python put this folder on its path, where files of ours would hide modules of
    # others. And the package comes without the API, which an engine does not need and which takes longest to load.
    del sys.path[0]
    sys.modules["kale_rs"] = package = type(sys)("kale_rs")
    package.__path__ = [os.path.dirname(os.path.abspath(__file__))]
    package.__file__ = os.path.join(package.__path__[0], "__init__.py")


#: What `ulimit` calls it, what it is, how much is needed, and the unit in which `ulimit` has it. Less than that, and
#: libraries abort the process in the middle of something, or never answer.
NEEDED = {
    "RLIMIT_NOFILE": ("-n", "open files", 64, 1),
    "RLIMIT_STACK": ("-s", "kB of stack", 512, 1024),
    "RLIMIT_AS": ("-v", "kB of memory", 512 * 1024, 1024),
}


def too_little() -> str | None:
    """Say which limit of this process is too low to do anything."""
    try:
        import resource
    except ImportError:
        return None
    for name, (option, what, needed, unit) in NEEDED.items():
        soft, _ = resource.getrlimit(getattr(resource, name))
        if soft != resource.RLIM_INFINITY and soft < needed * unit:
            return (
                f"error: a process may have {soft // unit} {what} here, and kale-rs needs {needed}\n"
                f"help: raise the limit, as with `ulimit {option} {2 * needed}`\n"
            )
    return None


def main() -> int:
    """Run the command line of this process."""
    if told := too_little():
        sys.stderr.write(told)
        return 2
    try:
        from kale_rs import _native

        return _native.main(["kale-rs", *sys.argv[1:]])
    except KeyboardInterrupt:
        return 130  # before the command has seen to it itself


if __name__ == "__main__":
    sys.exit(main())
