"""Comments as HTML: markdown, the few tags that GitHub lets through, and nothing else."""

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

_TAGS = (
    "details|summary|sub|sup|kbd|br|hr|b|i|em|strong|s|del|ins|code|pre|p|ul|ol|li|table|thead|tbody|tr|th|td"
)
# after escaping: a tag of the list, without attributes but for <details open>
_ALLOWED = re.compile(rf"&lt;(/?(?:{_TAGS})|details open(?:=&#34;&#34;)?)\s*(/?)&gt;", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ADDRESS = re.compile(r"https?://[^\s<>\"'`]+[^\s<>\"'`.,;:!?)]")


class _Renderer(RendererHTML):
    def html_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _cleaned(tokens[idx].content)

    def html_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _cleaned(tokens[idx].content)

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        # nothing is loaded from elsewhere: an image becomes a link to it
        source, text = tokens[idx].attrs.get("src", ""), tokens[idx].content
        return f'<a href="{escape(str(source))}" rel="nofollow noopener">{escape(text or source)}</a>'


def _cleaned(html: str) -> str:
    return _ALLOWED.sub(r"<\1\2>", str(escape(_COMMENT.sub("", html))))


def _link_addresses(state: StateCore) -> None:
    """Bare addresses become links, as on GitHub."""
    for block in state.tokens:
        if block.type != "inline":
            continue
        depth, children = 0, []
        for token in block.children or []:
            depth += token.nesting if token.type in ("link_open", "link_close") else 0
            children += _linked(token) if token.type == "text" and depth == 0 else [token]
        block.children = children


def _linked(token: Token) -> list[Token]:
    result, end = [], 0
    for match in _ADDRESS.finditer(token.content):
        opening = Token("link_open", "a", 1, attrs={"href": match[0]})
        result += [_text(token.content[end : match.start()]), opening, _text(match[0])]
        result.append(Token("link_close", "a", -1))
        end = match.end()
    return [*result, _text(token.content[end:])]


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


_parser = MarkdownIt("commonmark", {"html": True, "breaks": True}, renderer_cls=_Renderer)
_parser.enable(["table", "strikethrough"])
_parser.core.ruler.push("addresses", _link_addresses)


def render(text: str | None) -> Markup:
    """Safe HTML; links with schemes other than http, https and mailto stay text."""
    return Markup(_parser.render(text or ""))  # noqa: S704 - what is not on the list was escaped above
