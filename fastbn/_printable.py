"""Text from files, for terminals."""


def printable(text: str) -> str:
    """Text whose other characters, which could end lines or steer a terminal, are spelled out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
