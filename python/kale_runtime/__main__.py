"""`python kale_runtime REQUEST.json`, or `--warm LISTENER`, `--preview`, `--suggestions`, `--study`, `--pack`,
`--wheel FOLDER`, `--serve BUNDLE`: makes this folder a package without adding anything to `sys.path`, where it could
stand before the user's modules."""

import os
import sys
import types

FOLDER = os.path.dirname(os.path.abspath(__file__))


def run():
    if sys.path and os.path.abspath(sys.path[0]) == FOLDER:
        del sys.path[0]
    package = types.ModuleType("kale_runtime")
    package.__path__ = [FOLDER]
    sys.modules["kale_runtime"] = package
    if sys.argv[1] == "--warm":
        from kale_runtime import warm

        sys.exit(warm.main(int(sys.argv[2])))
    if sys.argv[1] == "--preview":
        from kale_runtime import preview

        preview.main()
    if sys.argv[1] == "--suggestions":
        from kale_runtime import suggestions

        sys.exit(suggestions.main())
    if sys.argv[1] == "--study":
        from kale_runtime import study

        sys.exit(study.main())
    if sys.argv[1] == "--pack":
        from kale_runtime.packing import command

        command.main()
    if sys.argv[1] == "--wheel":
        from kale_runtime.packing import wheel

        sys.exit(wheel.main(sys.argv[2]))
    if sys.argv[1] == "--serve":
        from kale_runtime.serving import worker

        sys.exit(worker.main(sys.argv[2:]))
    from kale_runtime import local

    sys.exit(local.main(sys.argv[1]))


if __name__ == "__main__":
    run()
