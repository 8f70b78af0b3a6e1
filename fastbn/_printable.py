"""Text from files and users, for one line of a terminal."""

_LONGEST = 200


def printable(text: str) -> str:
    """Text whose other characters, which could end lines or steer a terminal, are spelled out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(value: object) -> str:
    """Any value as the line of an error shows it, which is one line and not too long."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - Python writes out no integers of more than 4300 digits; others may do anything
        text = f"something of type {type(value).__name__}"
    text = printable(" ".join(text.split()))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
