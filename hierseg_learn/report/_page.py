"""Frame of the page: head, style, navigation, and a script for printing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape

from ..explain.style import BELOW, BELOW_NEGATIVE, NEGATIVE, POSITIVE

# unfolds everything for printing
_SCRIPT = """(() => {
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const part of folded) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of folded) part.open = false;
  });
})();
"""

READING = """<p>The model compares a sample with training rows (or with the mean of each class) by
a squared distance, to which every node of the tree contributes. The contributions add up: that of
a node with everything below it is the sum of those of its own columns (“as a whole”) and of its
parts.</p>
<ul><li><b>Why one class rather than another?</b> The squared distance to the nearest rows of the
other class minus that to the nearest rows of the predicted class; with linear discriminants, the
log-likelihood ratio of the two classes, half the difference of the squared distances to their
means, to which the priors add their log-odds. Positive contributions, in red,
speak for the predicted class, negative ones, in blue, against it.</li>
<li><b>Share</b>: the contributions of the stronger side add up to 100%, and those of the other side
are relative to it. No share is above 100%.</li>
<li><b>How it differs from its nearest neighbors</b>, where the report shows it: the squared
distance to the neighbors, by node. It shows the differences between the sample and its neighbors,
not the reasons for its class.</li>
<li><b>Unlike anything seen</b>, where the report says so: the sample is farther from all classes
than 99% of the training rows that are held out. Its class may mean nothing.</li>
<li><b>As a whole</b>: descriptions of the pixels of several parts together, which belong to none of
them alone.</li></ul>"""

_STYLE = """
:root{--plus:PLUS;--minus:MINUS;--plus-pale:PALE_PLUS;--minus-pale:PALE_MINUS;
--ink:#1b1b1b;--soft:#595959;--line:#d5d5d5;--paper:#fff;--wash:#f5f5f3;--good:#00694d;
--low:#9db8ad;--track:#e9e9e6;--link:#00527f;--right:#edf3f0;--wrong:#f7f3ef}
@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark;
--minus:#3d9bd8;--plus-pale:#6f3d1c;--minus-pale:#1f4a66;
--ink:#e9e9e7;--soft:#b3b3b0;--line:#484a49;--paper:#151716;--wash:#212423;--good:#2c9474;
--low:#5f7c70;--track:#333635;--link:#86c5ef;--right:#1f2825;--wrong:#2a231e}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);line-height:1.5;
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
header,main,footer{max-width:66rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .5rem}
h2{font-size:1.35rem;margin:2.8rem 0 .6rem;padding-bottom:.25rem;border-bottom:2px solid var(--ink)}
h3{font-size:1.08rem;margin:0 0 .7rem}
p{max-width:44rem;margin:.5rem 0;text-wrap:pretty}
.lead{font-size:1.12rem}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.2rem;list-style:none;padding:0;margin:1rem 0 0}
a{color:var(--link);text-underline-offset:.15em}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:3px solid var(--link);
outline-offset:2px;border-radius:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.3rem .6rem;z-index:1}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.8rem;
margin:1rem 0}
.figures div{background:var(--wash);padding:.7rem .9rem;border-radius:6px}
.figures dt{color:var(--soft);font-size:.9rem}
.figures dd{margin:0}
.figures b{display:block;font-size:1.6rem;line-height:1.25;font-weight:600}
.figures span{color:var(--soft);font-size:.85rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;margin:.8rem 0;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);font-size:.9rem;padding-bottom:.4rem;max-width:44rem}
th,td{padding:.22rem .6rem;text-align:left}
.numbers td,.numbers thead th{text-align:right}
.numbers thead th:first-child{text-align:left}
th{font-weight:600}
tbody th{font-weight:400}
thead th{border-bottom:1px solid var(--line)}
.nodes tbody th.inner{font-weight:600}
.nodes tbody tr:nth-child(even){background:var(--wash)}
.nodes td:nth-child(2){text-align:right;white-space:nowrap}
.nodes td:last-child{color:var(--soft);white-space:nowrap}
.score{min-width:11rem;width:18rem}
.track{position:relative;display:block;height:.85em;background:var(--track);
forced-color-adjust:none}
.bar{position:absolute;inset:0 auto 0 0}
.bar.high{background:var(--good)}
.bar.low{background:var(--low)}
.mark{position:absolute;top:-.25em;bottom:-.25em;width:2px;background:var(--ink)}
.confusion td.cell{min-width:3.6em;text-align:center;border:2px solid var(--paper)}
.confusion thead th{text-align:center}
.cell.right{background:color-mix(in srgb,var(--good) calc(var(--share)*60%),var(--right))}
.cell.wrong{background:color-mix(in srgb,var(--plus) calc(var(--share)*60%),var(--wrong))}
.confusion .last>*{border-top:1px solid var(--line)}
.case{border:1px solid var(--line);border-left:5px solid var(--good);border-radius:6px;
padding:1rem 1.1rem;margin:1.2rem 0}
.case.wrong{border-left-color:var(--plus)}
.novel{border-left:.25rem solid var(--plus);padding-left:.6rem}
.pictures{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start;margin-bottom:.6rem}
figure{margin:0}
img{display:block;height:21rem;width:auto;max-width:100%;object-fit:contain}
figcaption{color:var(--soft);font-size:.88rem;margin-top:.3rem;width:0;min-width:100%}
figcaption b{display:block;color:var(--ink)}
.block{margin:.5rem 0}
.block>summary{font-weight:600;padding:.15rem 0}
summary{cursor:pointer}
.tree,.tree ul{list-style:none;margin:0;padding:0}
.tree{max-width:46rem;margin:.6rem 0}
.tree ul{margin-left:.45rem;padding-left:1rem;border-left:1px solid var(--line)}
.tree li{padding:.08rem 0}
.tree summary{display:flex;align-items:center;list-style:none}
.tree summary::-webkit-details-marker{display:none}
.tree summary::before{content:"▸";content:"▸"/"";flex:none;width:1.05rem;color:var(--soft)}
.tree details[open]>summary::before{content:"▾";content:"▾"/""}
.row{display:grid;grid-template-columns:minmax(5rem,1fr) 12rem minmax(5rem,13rem);gap:.7rem;
flex:1;align-items:center}
.tree li>.row{padding-left:1.05rem}
.row .name{overflow-wrap:anywhere}
summary .name{font-weight:600}
.row .share{text-align:right;font-variant-numeric:tabular-nums}
.bar.leaf.plus{background:var(--plus)}
.bar.inner.plus{background:var(--plus-pale);box-shadow:inset 0 0 0 1px var(--plus)}
.bar.leaf.minus{background:repeating-linear-gradient(45deg,var(--minus) 0 3px,var(--paper) 3px 5px)}
.bar.inner.minus{background:var(--minus-pale);box-shadow:inset 0 0 0 1px var(--minus)}
code{font-size:.88em;overflow-wrap:anywhere}
.parameters th{vertical-align:top}
footer{color:var(--soft);font-size:.9rem;padding:2.5rem 1.25rem 2rem}
@media (max-width:34rem){h1{font-size:1.5rem}img{height:auto}
.score{min-width:7rem;width:7rem}
.row{grid-template-columns:minmax(4rem,1fr) 6.5rem minmax(2rem,5rem);gap:.4rem}
.tree ul{padding-left:.6rem}}
@media print{*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
body{font-size:10pt}header,main,footer{max-width:none;padding:0}
nav,.skip{display:none}h2,h3,summary{break-after:avoid}
figure,tr,.figures div{break-inside:avoid}
img{height:6.2cm}.scroll{overflow:visible}
table{font-size:8.5pt}th,td{padding:.15rem .3rem}.confusion td.cell{min-width:0}
thead th,tbody th{overflow-wrap:anywhere}.score{min-width:4rem;width:9rem}
.nodes td:last-child{white-space:normal}
details::details-content{content-visibility:visible;display:block}}
"""


def render(title: str, lead: str, sections: Sequence[tuple[str, str, str]]) -> str:
    """Compose a page of sections (id, title, HTML); its content security policy forbids loading."""
    digest = b64encode(sha256(_SCRIPT.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    links = "".join(f'<li><a href="#{name}">{escape(text)}</a></li>' for name, text, _ in sections)
    bodies = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title">'
        f'<h2 id="{name}-title">{escape(text)}</h2>{content}</section>\n'
        for name, text, content in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>{_style()}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#content">Skip to the content</a>\n'
        f'<header><h1>{escape(title)}</h1>\n<p class="lead">{escape(lead)}</p>\n'
        f'<nav aria-label="On this page"><ul>{links}</ul></nav></header>\n'
        f'<main id="content">\n{bodies}</main>\n'
        "<footer>This page is one file and loads nothing.</footer>\n"
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def _style() -> str:
    colors = {
        "PALE_PLUS": BELOW,
        "PALE_MINUS": BELOW_NEGATIVE,
        "PLUS": POSITIVE,
        "MINUS": NEGATIVE,
    }
    style = _STYLE
    for word, color in colors.items():
        style = style.replace(word, color)
    return style
