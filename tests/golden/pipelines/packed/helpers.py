def shout(word):
    """Loud: \"{{word}}\"."""
    return word.upper() + "!"
