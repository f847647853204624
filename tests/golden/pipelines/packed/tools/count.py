def count(words):
    return len({word for word in words if word.endswith('!')})
