"""The matrix as people and programs read it: what is predicted comes from theory, and a surprise is one either way."""

import pytest
from rich.console import Console

from fourtuple.net.endpoint import Protocol
from fourtuple.net.punching import Order
from fourtuple.report import grid
from fourtuple.report.grid import Cell
from fourtuple.report.provenance import Provenance


def cell(a, b, met, order=Order.BOTH, protocol=Protocol.UDP):
    return Cell(a, b, protocol, order, met, ("direct 198.18.0.2:1", "no answer"), 0.002)


@pytest.mark.parametrize(
    ("a", "b", "met", "surprises", "sign"),
    [
        ("home", "home", True, False, "y"),
        ("home", "home", False, True, "="),
        ("home", "symmetric", False, False, "-"),
        ("home", "symmetric", True, True, "Y"),
    ],
)
def test_a_surprise_is_one_either_way(a, b, met, surprises, sign):
    one = cell(a, b, met)
    assert one.surprises is surprises
    assert grid.sign([one]) == sign
    assert one.as_dict()["surprise"] is surprises


@pytest.mark.parametrize("met", [True, False])
def test_what_theory_leaves_open_cannot_surprise(met):
    assert not cell("adm/eif", "eim/apdf", met, protocol=Protocol.TCP).surprises


def test_the_grid_has_a_row_and_a_column_for_each():
    cells = [cell(a, b, a == b == "home") for a in ("home", "symmetric") for b in ("home", "symmetric")]
    console = Console(width=100, no_color=True)
    with console.capture() as captured:
        console.print(grid.table(cells))
    assert captured.get().split() == ["A", "\\", "B", "1", "2", "1", "home", "y", "-", "2", "symmetric", "-", "-"]
    assert grid.summary(cells) == "4 meetings: 1 met, 3 did not; no surprise; slowest 0.002 s"


def test_where_ice_programs_would_not_meet_a_star_stands(tmp_path):
    """Three pairs of routers, over UDP: a lenient peer meets there, as measured, and theory says that ICE does not."""
    refused = [cell("apdm/eif", "apdm/adf", True, order) for order in Order]
    plain = [cell("adm/adf", "apdm/eif", True, order) for order in Order]
    assert (grid.sign(refused), grid.sign(plain)) == ("yyy*", "yyy")
    assert (refused[0].as_dict()["predicted"], refused[0].as_dict()["ice"]) == (True, False)
    assert (plain[0].as_dict()["predicted"], plain[0].as_dict()["ice"]) == (True, True)
    assert "no check of A is answered from the endpoint it was sent to" in refused[0].as_dict()["ice_why"]
    says = "no surprise; 3 marked * would be otherwise for ICE programs, by theory; slowest"
    assert says in grid.summary([*refused, *plain])
    grid.write_page([*refused, *plain], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert ">yyy*</td>" in page
    assert page.count("two ICE programs: no check of A") == 3


def test_junit_and_page_say_what_surprised(tmp_path):
    cells = [cell("home", "home", False), cell("home", "symmetric", False)]
    source = Provenance("", "2026-11-26T10:00:00+00:00", "0.2", "28.5", "6.18", {})
    grid.write_junit(cells, source, tmp_path / "junit.xml")
    assert grid.as_json(cells, source)["provenance"] == source.as_dict()
    assert (tmp_path / "junit.xml").read_text().count("<failure") == 1
    grid.write_page(cells, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count('class="s"') == 1
    assert "B lets it in after it has sent itself" in page
