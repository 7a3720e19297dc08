"""``salus results``: a patient's own, in plain words with ranges and a trend; a clinician's, the red first."""

from pathlib import Path
from typing import Annotated, Any

import typer

from salus.cli.options import HOME, As, Home, Json
from salus.cli.orders import Which
from salus.cli.output import emit, table, when
from salus.errors import Misused
from salus.exchange.ordering import Category, Timing

app = typer.Typer(help="Results: your own, and those that you answer for.", invoke_without_command=True)

_BARS = "▁▂▃▄▅▆▇█"
_FLAGS = {
    "": "",
    "N": "within the range",
    "H": "above the range",
    "L": "below the range",
    "HH": "FAR ABOVE: critical",
    "LL": "FAR BELOW: critical",
    "A": "not normal",
    "AA": "NOT NORMAL: critical",
}


@app.callback()
def results(
    context: typer.Context,
    who: Annotated[str, typer.Option("--as", envvar="SALUS_AS", help="Whose wallet acts.")] = "",
    trend: Annotated[str, typer.Option(metavar="CODE", help="One LOINC code over time.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="What is acknowledged or superseded as well.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Your own results; and those that you are to acknowledge, the red first."""
    if context.invoked_subcommand:
        return
    if not who:
        raise Misused("usage", "say --as whom")
    from salus.agent.services import acknowledging, resulted
    from salus.cli.session import session

    with session(home) as agent:
        if trend:
            found = resulted.trend(agent, who, trend)
            emit(as_json, _plain_trend(found), _drawn(found))
            return
        own = [one for one in resulted.own_results(agent, who) if everything or not one.superseded]
        attended = acknowledging.attended(agent, who, everything=everything)
        known = acknowledging.count_known(agent, who)
    parts = [_own(one) for one in own] + [attention(one) for one in attended]
    parts += (
        [f"{known - len(attended)} more, and none for you to acknowledge now: --all"]
        if known > len(attended) and not everything
        else []
    )
    document = {"own": [_plain(one) for one in own], "attended": [_plain(one) for one in attended]}
    emit(as_json, document, "\n\n".join(parts) or "no results")


@app.command()
def preferences(
    who: As,
    chosen: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CATEGORY=TIME]...", help="Such as genetics=at-visit; at-once, after-physician."),
    ] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """When results are to come to you, by category. It never delays a physician; a correction always comes at once."""
    from salus.agent.services import resulted
    from salus.cli.session import session

    wanted = dict(map(_choice, chosen or ()))
    with session(home) as agent:
        found = resulted.preferences(agent, who, wanted)
    emit(as_json, {"preferences": found}, table(("category", "when"), list(found.items()), ""))


@app.command()
def acknowledge(order: Which, who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Say that you have seen the last report of an order."""
    from salus.agent.services import acknowledging

    _attended(home, as_json, lambda agent: acknowledging.acknowledge(agent, who, order))


@app.command()
def release(order: Which, who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Give the last report of an order to the patient now."""
    from salus.agent.services import acknowledging

    _attended(home, as_json, lambda agent: acknowledging.release(agent, who, order))


def attention(info: Any) -> str:
    """A report as a clinician is to see it."""
    until = f"until {when(info.due)}"
    said = {
        "awaited": f"acknowledge it {until}"
        if info.duty == "responsible"
        else f"who is responsible is to acknowledge it {until}",
        "climbed": f"NOT ACKNOWLEDGED: it climbed on {when(info.climbed_at)}",
        "acknowledged": "acknowledged",
        "superseded": "superseded by a later report",
        "": f"it was due {when(info.due)}",
    }[info.attention]
    came = f", reported {when(info.at)}" if info.at else ""
    head = f"{'!!! ' if info.red else ''}{info.patient}: {info.what} ({info.status}), {info.laboratory}{came}"
    lines = [head, f"order {info.order}, {said}" + (f"; you: {info.duty}" if info.duty != "none" else "")]
    lines += ["The patient was given it from here."] if info.released else []
    return "\n".join([*lines, *([_values(info.values)] if info.values else [])])


def _own(info: Any) -> str:
    head = f"{info.what} ({info.status}), {info.laboratory}, ordered by {info.orderer}, came {when(info.at)}"
    lines = [head + ("; a later report has replaced it" if info.superseded else ""), f"order {info.order}"]
    lines += ["CONFIDENTIAL: it stands in no chart, and nobody else of yours is told"] if info.confidential else []
    return "\n".join([*lines, _values(info.values)])


def _values(values: Any) -> str:
    rows = [(v.name, f"{v.value} {v.unit}".strip(), _range(v), _FLAGS.get(v.flag, v.flag)) for v in values]
    return table(("what", "value", "usual", ""), rows, "")


def _range(value: Any) -> str:
    """What is usual, and for whom; that it is not said, where it is not."""
    if not value.low and not value.high:
        return "no range is given"
    low, high = value.low, value.high
    span = f"{low} to {high}" if low and high else f"{low} or more" if low else f"{high} or less"
    return f"{span} ({value.population or 'for whom is not said'})"


def _drawn(trend: Any) -> str:
    """The values over time: as bars, and as a table."""
    numbers = [float(value) for _, value, _ in trend.points]
    low, high = min(numbers), max(numbers)
    step = (high - low) / (len(_BARS) - 1) or 1
    bars = "".join(_BARS[round((number - low) / step)] for number in numbers)
    rows = [(when(at), f"{value} {trend.unit}", _FLAGS.get(flag, flag)) for at, value, flag in trend.points]
    apart = [f"{when(v.at)}: {v.value} {v.unit} is not comparable, and not drawn" for v in trend.apart]
    head = f"{trend.name} ({trend.code})\n{bars}  {numbers[0]:g} -> {numbers[-1]:g} {trend.unit}"
    return "\n".join([head, table(("when", "value", ""), rows, ""), *apart])


def _plain_trend(trend: Any) -> dict[str, Any]:
    """A trend for machines."""
    points = [{"at": at, "value": str(value), "flag": flag} for at, value, flag in trend.points]
    return {
        "code": trend.code,
        "name": trend.name,
        "unit": trend.unit,
        "points": points,
        "apart": [_plain_value(value) for value in trend.apart],
    }


def _plain(info: Any) -> dict[str, Any]:
    """A report for machines: its values as they were reported."""
    from dataclasses import fields

    found = {field.name: getattr(info, field.name) for field in fields(info)}
    return found | {"values": [_plain_value(value) for value in info.values]}


def _plain_value(value: Any) -> dict[str, Any]:
    named = ("code", "name", "value", "unit", "low", "high", "population", "flag", "at")
    return {name: getattr(value, name) for name in named}


def _choice(text: str) -> tuple[Category, Timing]:
    category, _, timing = text.partition("=")
    try:
        return Category(category), Timing(timing)
    except ValueError as error:
        kinds, times = ", ".join(Category), ", ".join(Timing)
        raise Misused("usage", f"say CATEGORY=TIME; categories: {kinds}; times: {times}") from error


def _attended(home: Path, as_json: bool, act: Any) -> None:
    from salus.cli.session import session

    with session(home) as agent:
        info = act(agent)
    emit(as_json, _plain(info), attention(info))
