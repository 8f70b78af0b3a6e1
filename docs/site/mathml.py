"""Formulas as MathML, which browsers draw themselves: no script to load, nothing to fetch, text for screen readers."""

from docutils import nodes
from latex2mathml.converter import convert


def _visit_inline(writer, node):
    writer.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _visit_block(writer, node):
    writer.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>\n')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
