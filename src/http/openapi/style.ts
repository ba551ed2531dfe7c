/** How `/docs` looks: the reader's own colours, light or dark. */
export const STYLE = `
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#57606a;--line:#d8dee4;--soft:#f6f8fa;--link:#0757c2;
--get:#0a6b2d;--post:#0757c2;--put:#7a4b00;--patch:#7a4b00;--delete:#b3181f}
@media(prefers-color-scheme:dark){:root{--bg:#0f1318;--fg:#e4e8ec;--dim:#9aa5b1;--line:#2b323a;--soft:#171c22;--link:#7ab5ff;
--get:#62d08a;--post:#7ab5ff;--put:#e6b35c;--patch:#e6b35c;--delete:#ff8f8f}}
*{box-sizing:border-box}
html{scroll-behavior:auto;scroll-padding-top:1rem}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.55 system-ui,sans-serif;display:grid;
grid-template-columns:19rem minmax(0,1fr)}
a{color:var(--link);text-decoration:none}a:hover,a:focus-visible{text-decoration:underline}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:1rem;background:var(--bg);padding:.5rem;z-index:1}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1.2rem 1rem;border-right:1px solid var(--line);
background:var(--soft);font-size:.86rem}
nav .brand{font-size:1.15rem;font-weight:650;margin:0}
nav h2{font-size:.95rem;margin:.6rem 0;border:0;padding:0}
nav ul{list-style:none;margin:.2rem 0 .8rem;padding:0}
nav li a{display:block;padding:.15rem 0 .15rem 3.4rem;text-indent:-3.4rem;color:var(--fg);overflow-wrap:anywhere}
nav li b{display:inline-block;width:3.3rem;text-indent:0;font-size:.68rem}
nav summary{padding:.25rem 0;font-weight:600}
main{padding:1.6rem clamp(1rem,4vw,3.5rem) 6rem;max-width:64rem}
h1{margin-top:0;font-size:1.9rem}h2{margin-top:3rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:0}h4{margin:1rem 0 .3rem;font-size:.82rem;color:var(--dim);text-transform:uppercase;letter-spacing:.04em}
h4 small{text-transform:none;letter-spacing:0;font-weight:400}
section>h3{margin-top:1.6rem}
article{border:1px solid var(--line);border-radius:8px;padding:1rem 1.2rem;margin:1.1rem 0}
article:target{border-color:var(--link);box-shadow:0 0 0 1px var(--link)}
article h3 a{color:inherit}article p{margin:.4rem 0}.lead{font-size:1.05rem;font-weight:550}
article>details{margin-top:.9rem}
code,pre{font:.84rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:.7rem .9rem;margin:.3rem 0;overflow:auto}
p code,td code{background:var(--soft);border-radius:4px;padding:.05rem .25rem;overflow-wrap:anywhere}
pre i,td i{color:var(--dim);font-style:normal}
summary{cursor:pointer}
table{border-collapse:collapse;width:100%;font-size:.9rem;display:block;overflow-x:auto}
td{border-top:1px solid var(--line);padding:.3rem .7rem .3rem 0;vertical-align:top}
td:first-child{white-space:nowrap}
.tag{margin-left:.7rem;font-size:.72rem;color:var(--dim);border:1px solid var(--line);border-radius:9px;padding:.05rem .5rem}
.get{color:var(--get)}.post{color:var(--post)}.put{color:var(--put)}.patch{color:var(--patch)}.delete{color:var(--delete)}
@media(max-width:52rem){body{display:block}nav{position:static;height:auto;border-right:0;border-bottom:1px solid var(--line)}}
@media print{nav,.skip{display:none}body{display:block}article{break-inside:avoid}}
`
