"""The state machine of invocations as text and as a picture, from its one table."""

from __future__ import annotations

from xml.sax.saxutils import escape

from pynenc.invocation.status import INITIAL_STATUSES, RULES, InvocationStatus

_S = InvocationStatus
_WIDTH, _HEIGHT, _COLUMN, _ROW, _MARGIN = 210, 46, 270, 108, 30

POSITIONS: dict[InvocationStatus, tuple[int, int]] = {
    _S.REGISTERED: (0, 1),
    _S.REROUTED: (1, 0),
    _S.CONCURRENCY_CONTROLLED: (0, 3),
    _S.CONCURRENCY_CONTROLLED_FINAL: (0, 5),
    _S.PENDING: (1, 2),
    _S.PENDING_RECOVERY: (2, 0),
    _S.RUNNING: (2, 2),
    _S.PAUSED: (2, 3),
    _S.RUNNING_RECOVERY: (3, 0),
    _S.KILLED: (2, 1),
    _S.RETRY: (1, 4),
    _S.SUCCESS: (3, 2),
    _S.FAILED: (3, 3),
    _S.CANCELLED: (2, 5),
}
"""Column and row of each status in the picture."""


def as_text() -> str:
    """Return the table, one status after the other."""
    lines: list[str] = []
    for status, rule in RULES.items():
        kind = "initial" if status in INITIAL_STATUSES else "final" if status.final else ""
        lines.append(f"{status.name}{f' ({kind})' if kind else ''}: {rule.meaning}")
        lines.append(f"    owner: {rule.ownership}")
        targets = ", ".join(sorted(target.name for target in rule.targets))
        lines.append(f"    may go to: {targets or '-'}")
    return "\n".join(lines)


def as_svg() -> str:
    """Return the table as a picture."""
    columns = 1 + max(column for column, _ in POSITIONS.values())
    rows = 1 + max(row for _, row in POSITIONS.values())
    width = _MARGIN * 2 + _COLUMN * (columns - 1) + _WIDTH
    height = _MARGIN * 2 + _ROW * (rows - 1) + _HEIGHT
    edges = [
        _edge(source, target)
        for source, rule in RULES.items()
        for target in sorted(rule.targets, key=lambda status: status.value)
    ]
    nodes = [_node(status) for status in RULES]
    style = (
        "text{font:600 12px sans-serif;fill:#1c2733}"
        ".n{fill:#e8f1fb;stroke:#3b6ea5;stroke-width:1.5}.f{fill:#e3f4e6;stroke:#3c8a4e}"
        ".o{fill:#fdf1dc;stroke:#b9822b}.e{fill:none;stroke:#7a8794;stroke-width:1.2}"
    )
    arrow = (
        '<marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="#7a8794"/></marker>'
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-label="Statuses of an invocation">',
            f"<style>{style}</style><defs>{arrow}</defs>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *edges,
            *nodes,
            "</svg>",
            "",
        ]
    )


def _centre(status: InvocationStatus) -> tuple[float, float]:
    column, row = POSITIONS[status]
    return _MARGIN + column * _COLUMN + _WIDTH / 2, _MARGIN + row * _ROW + _HEIGHT / 2


def _node(status: InvocationStatus) -> str:
    x, y = _centre(status)
    rule = RULES[status]
    look = "f" if status.final else "o" if rule.owned else "n"
    label = escape(status.name.replace("CONCURRENCY_CONTROLLED", "CC"))
    title = escape(f"{status.name}: {rule.meaning}")
    return (
        f'<g id="{status.value}"><title>{title}</title>'
        f'<rect class="n {look}" x="{x - _WIDTH / 2:g}" y="{y - _HEIGHT / 2:g}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" rx="9"/><text x="{x:g}" y="{y + 4:g}" text-anchor="middle">{label}</text></g>'
    )


def _edge(source: InvocationStatus, target: InvocationStatus) -> str:
    """Return a curve from border to border; bent to one side, so that there and back stay apart."""
    x1, y1 = _centre(source)
    x2, y2 = _centre(target)
    start, end = _border(x1, y1, x2, y2), _border(x2, y2, x1, y1)
    length = max(1.0, ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5)
    bend = 18 + length * 0.06
    cx = (start[0] + end[0]) / 2 - (y2 - y1) / length * bend
    cy = (start[1] + end[1]) / 2 + (x2 - x1) / length * bend
    title = f"{source.name} to {target.name}"
    return (
        f'<path class="e" id="{source.value}-{target.value}" marker-end="url(#a)" '
        f'd="M{start[0]:.1f} {start[1]:.1f}Q{cx:.1f} {cy:.1f} {end[0]:.1f} {end[1]:.1f}">'
        f"<title>{title}</title></path>"
    )


def _border(x: float, y: float, towards_x: float, towards_y: float) -> tuple[float, float]:
    """Return where the line from the centre of a box leaves it."""
    dx, dy = towards_x - x, towards_y - y
    scale = min(
        _WIDTH / 2 / abs(dx) if dx else float("inf"),
        _HEIGHT / 2 / abs(dy) if dy else float("inf"),
    )
    return x + dx * scale, y + dy * scale
