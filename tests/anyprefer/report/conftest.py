"""One Chromium and one page for all tests that look at the browser of records."""

import pytest
from chromium import launched
from lineage import CARRIED, CROSSED, EDITED, FROM_REFERENCE, LAID_OUT, RULED, SILENT, SWAPPED, TWO_GENERATORS
from report_page import NUM_RECORDS, make_record, opened, special_records, write_page


@pytest.fixture(scope="module")  # longer, and its event loop would be in the way of other modules
def chromium():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """The address of a page with all sorts of records."""
    pytest.importorskip("jinja2", reason="needs the extra report")
    path = tmp_path_factory.mktemp("report") / "report.html"
    classes = {f"t{number}": "hard" for number in range(20)}
    write_page(path, [*map(make_record, range(NUM_RECORDS)), *special_records()], classes)
    return path.as_uri()


@pytest.fixture(scope="session")
def lineages(tmp_path_factory):
    """The address of a page with a pair of every lineage."""
    pytest.importorskip("jinja2", reason="needs the extra report")
    path = tmp_path_factory.mktemp("lineages") / "report.html"
    write_page(path, [TWO_GENERATORS, SWAPPED, EDITED, CROSSED, LAID_OUT, FROM_REFERENCE, SILENT, CARRIED, RULED])
    return path.as_uri()


@pytest.fixture
def page(chromium, report):
    with opened(chromium, report) as page:
        yield page
