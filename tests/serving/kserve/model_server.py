"""A real KServe ModelServer with pickled models, as in KServe's image for scikit-learn, whose package is on no index.

python model_server.py NAME=FILE... --http_port N     (in the environment of requirements-kserve.txt)
"""

import pickle
import sys

import uvicorn
from kserve import Model, ModelServer
from kserve.errors import InferenceError
from kserve.utils.utils import get_predict_input, get_predict_response


class Pickled(Model):
    def __init__(self, name, path):
        super().__init__(name)
        with open(path, "rb") as file:
            self.model = pickle.load(file)
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        try:
            result = self.model.predict(get_predict_input(payload))
            return get_predict_response(payload, result, self.name)
        except Exception as error:
            raise InferenceError(str(error)) from error


def on_loopback(config, *arguments, **options):
    original(config, *arguments, **options | {"host": "127.0.0.1"})


if __name__ == "__main__":
    original = uvicorn.Config.__init__
    uvicorn.Config.__init__ = on_loopback
    given = [argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument and not argument.startswith("-")]
    ModelServer(enable_grpc=False).start([Pickled(name, path) for name, path in given])
