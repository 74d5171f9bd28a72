"""Reads the tables of the page of all participants."""

from html.parser import HTMLParser


class Tables(HTMLParser):
    """Collects the cells of tables: text, value and links."""

    def __init__(self, page):
        super().__init__()
        self.tables, self.links, self.inside = [], [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append([attrs.get("data-value"), ""])
            self.inside = True
        elif tag == "a":
            self.links.append(attrs["href"])

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.tables[-1][-1][-1][1] += data

    def column(self, table, title):
        """Return the pairs of value and text of a column."""
        head, *rows = self.tables[table]
        titles = [text.strip() for _, text in head]
        at = next(k for k, text in enumerate(titles) if text.startswith(title))
        return [(row[at][0], " ".join(row[at][1].split())) for row in rows]
