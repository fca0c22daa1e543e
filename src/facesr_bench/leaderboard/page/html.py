"""HTML that cannot forget to escape: strings are text, only :class:`Html` is markup."""

from html import escape


class Html(str):
    """Markup that was made here. Everything else is text."""


Content = str | Html | None


def tag(element: str, *content: Content, **attributes: object) -> Html:
    """One element.

    Args:
        element: its name.
        content: text, which is escaped, or markup, which is not; None is nothing.
        attributes: ``class_`` for class, ``data_v`` for data-v; None and False are left out, True
            has no value.
    """
    words = [element]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        written = name.rstrip("_").replace("_", "-")
        words.append(written if value is True else f'{written}="{escape(str(value))}"')
    inside = join(*content)
    return Html(f"<{' '.join(words)}>{inside}</{element}>")


def void(element: str, **attributes: object) -> Html:
    """An element without an end, such as ``meta``."""
    return Html(tag(element, **attributes).removesuffix(f"</{element}>"))


def join(*content: Content) -> Html:
    """Pieces one after the other, text escaped."""
    return Html("".join(text(piece) for piece in content if piece is not None))


def text(piece: str | Html) -> Html:
    """Escaped text; markup stays as it is."""
    return piece if isinstance(piece, Html) else Html(escape(str(piece)))
