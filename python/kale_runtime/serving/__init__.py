"""The process that holds a served model: pure standard library, besides what the model itself needs.

    PYTHON .../kale_runtime --serve BUNDLE [--predictor URL | --model-only]
    PYTHON .../kale_runtime --serve BUNDLE --once < REQUEST

The first is started by the server (`rust/kale_serve`), which talks to it through the socket that is its standard input:
`frames.py` says how. The second answers one request of KServe's protocol V1, without a server.

`bundle.py` loads what is in a bundle, `models.py` the model by its flavour. A request goes through `inputs.py` (from
tensors or JSON to what the model takes), `batch.py` (preprocess, predict, postprocess) and `outputs.py` (to tensors or
JSON); `tensors.py` has what both ends share, `faults.py` what is told of what goes wrong.
"""
