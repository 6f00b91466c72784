"""A finding, and what must not stand in one: passwords."""

import re
import textwrap

OK, NOTE, STOP = 'OK', 'NOTE', 'STOP'

# user:password@ of an address; greedy, because an @ in a password is often left as it is.
_CREDENTIALS = re.compile(r'(\w+://)[^\s\'"]*@')
_SETTING = re.compile(r'((?:password|secret|token)["\']?\s*[:=]\s*)\S+', re.IGNORECASE)


class Finding:
    """One line of the answer: how bad, about what, what is so, and what to do about it."""

    def __init__(self, level, topic, text, todo=None):
        self.level, self.topic = level, topic
        self.text, self.todo = masked(text), masked(todo) if todo else None

    def as_dict(self):
        return {'level': self.level, 'topic': self.topic, 'text': self.text, 'todo': self.todo}

    def as_text(self):
        lines = [self.level.ljust(5) + self.topic.ljust(12) + self.text]
        if self.todo:
            lines.append('-> ' + self.todo)
        wrap = textwrap.TextWrapper(width=110, subsequent_indent=' ' * 17, break_long_words=False,
                                    break_on_hyphens=False)
        shown = [wrap.fill(lines[0])]
        wrap.initial_indent = ' ' * 17
        wrap.subsequent_indent = ' ' * 20
        return '\n'.join(shown + [wrap.fill(line) for line in lines[1:]])


def masked(text):
    """The text without what is secret in it."""
    return _SETTING.sub(r'\1******', _CREDENTIALS.sub(r'\1******@', str(text)))
