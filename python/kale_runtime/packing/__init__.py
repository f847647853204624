"""From a model in a notebook to a bundle: a folder that a service is started from, here and on a cluster.

`bundle.py` is its line of steps: what the functions refer to (`referenced.py`), the model in its own format
(`flavours.py`), code and values (`code.py`), what goes in and comes out (`signature.py`), what the model answers here
(`live.py`), and whether it answers requests together as it answers each (`together.py`). `command.py` does it in a
process of its own, for what is in a store or in a file; `wheel.py` makes our wheel for a container. The other side,
which loads a bundle, is `kale_runtime.serving`.
"""
