"""An HTML page taken apart by the standard library."""

from html.parser import HTMLParser

VOID = {"br", "hr", "img", "input", "link", "meta"}


class Page(HTMLParser):
    """Elements, text and style of a page; raises if tags are not balanced."""

    def __init__(self, source):
        super().__init__()
        self.elements, self.open, self.texts, self.raw = [], [], [], []
        self.declaration = None
        self.feed(source)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_decl(self, decl):
        self.declaration = decl

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"{tag} has an attribute twice"
        self.elements.append((tag, dict(attrs), tuple(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        is_raw = self.open and self.open[-1] in ("script", "style")
        (self.raw if is_raw else self.texts).append((tuple(self.open), data))

    def all(self, *tags):
        return [attributes for tag, attributes, _ in self.elements if tag in tags]

    def text(self, tag=None):
        return "".join(data for path, data in self.texts if tag is None or (path and tag in path))
