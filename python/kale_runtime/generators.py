"""The random generators of a process: which there are, and which of them nobody has seeded."""

import gc
import sys


def generators():
    """The random generators that there are."""
    kinds = [sys.modules["random"].Random] if "random" in sys.modules else []
    numpy = sys.modules.get("numpy.random")
    kinds += [numpy.RandomState, numpy.Generator] if hasattr(numpy, "Generator") else []
    kinds = tuple(kinds)
    return [each for each in gc.get_objects() if issubclass(type(each), kinds)] if kinds else []


def is_obscure(generator):
    """Whether nobody can say if it was seeded. The generator of `random`, and those that draw names of temporary files,
    get new seeds in a fork by themselves; the system's have none."""
    python = sys.modules.get("random")
    if python is None or not isinstance(generator, python.Random) or isinstance(generator, python.SystemRandom):
        return False
    names = getattr(sys.modules.get("tempfile"), "_RandomNameSequence", ())
    drawing = [vars(each).get("_rng") for each in gc.get_objects() if names and type(each) is names]
    return not any(generator is each for each in (getattr(python, "_inst", None), *drawing))


def has_no_seed(generator):
    """Whether a generator of numpy was made from the system's numbers, of which it has 128 bits."""
    bits = getattr(generator, "bit_generator", None) or getattr(generator, "_bit_generator", None)
    seeds = getattr(bits, "seed_seq", None) or getattr(bits, "_seed_seq", None)
    entropy = getattr(seeds, "entropy", None)
    return isinstance(entropy, int) and entropy >> 64 != 0


def reseed(generator):
    bits = getattr(generator, "bit_generator", None) or generator._bit_generator
    bits.state = type(bits)().state
