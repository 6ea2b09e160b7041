"""How a report looks: light and dark as the reader's system wants it, and on paper."""

from typing import Final

STYLE: Final = """\
:root { --ink: #1c2430; --soft: #5a6675; --line: #dde3ea; --page: #ffffff; --card: #f6f8fa; --accent: #2c6fbb;
  --good: #2e8047; --bad: #b4412d; --mark: #ffe3a3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e8ee; --soft: #9aa7b5; --line: #313a45; --page: #12161b; --card: #1b2128; --accent: #6ba4e0;
    --good: #69c084; --bad: #ec8570; --mark: #5c4712; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2.2rem 1.4rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .8rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: .35rem 0 .7rem; overflow-wrap: anywhere; }
h4 { font-size: .78rem; font-weight: 600; margin: 0 0 .35rem; color: var(--soft); }
h4 em { font-style: normal; }
p { margin: .5rem 0; max-width: 50rem; overflow-wrap: anywhere; }
.lead { color: var(--soft); margin: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .8rem; margin: 1.4rem 0 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; }
.tile .label { display: block; color: var(--soft); font-size: .82rem; }
.tile .value { display: block; font-size: 1.9rem; font-weight: 650; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.tile small { color: var(--soft); }
.tile:first-child .value { color: var(--accent); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: .4rem 0; }
th { text-align: left; color: var(--soft); font-weight: 600; font-size: .8rem; }
th, td { padding: .32rem .9rem .32rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.figures th:not(:first-child), .figures td:not(:first-child) { text-align: right; padding-left: .9rem; }
figure { margin: .6rem 0 1rem; }
figure svg { width: 100%; max-width: 46rem; height: auto; display: block; }
figure svg text { fill: var(--ink); font-family: system-ui, "Segoe UI", Roboto, Arial, sans-serif; }
article { border: 1px solid var(--line); border-radius: .5rem; padding: .9rem 1rem 1rem; margin: 0 0 1rem;
  break-inside: avoid; }
.tag { display: inline-block; font-size: .74rem; color: var(--soft); border: 1px solid var(--line);
  border-radius: 1rem; padding: .02rem .6rem; margin-right: .35rem; }
.tag:first-child { color: var(--bad); border-color: currentColor; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; }
.side { min-width: 0; border-left: 3px solid var(--line); padding-left: .8rem; }
.side.right { border-color: var(--good); }
.side.right em { color: var(--good); }
.side.wrong { border-color: var(--bad); }
.side.wrong em { color: var(--bad); }
pre { margin: 0 0 .5rem; padding: .55rem .7rem; background: var(--card); border-radius: .35rem; white-space: pre-wrap;
  overflow-wrap: anywhere; max-height: 16rem; overflow-y: auto;
  font: .82rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
mark { background: var(--mark); color: inherit; border-radius: .15rem; }
.result { font-size: .8rem; margin: 0; }
.result td { max-width: 14rem; overflow-wrap: anywhere; }
.none, .more { color: var(--soft); font-size: .82rem; margin: .2rem 0; }
.error { color: var(--bad); font-size: .88rem; margin: .2rem 0; }
@media print { main { max-width: none; padding: 0; } pre { max-height: none; } }
"""
