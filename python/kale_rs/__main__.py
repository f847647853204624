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


def main() -> int:
    """Run the command line of this process."""
    try:
        from kale_rs import _native

        return _native.main(["kale-rs", *sys.argv[1:]])
    except KeyboardInterrupt:
        return 130  # before the command has seen to it itself


if __name__ == "__main__":
    sys.exit(main())
