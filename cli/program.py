"""How a program starts and ends, the same for both."""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn, cast

import typer

from .watchdog import watched

#: Exit code of a program that was told to stop.
_STOPPED = 130
#: Between two lines of progress in a log file.
LINE_SECONDS = 10.0
#: What a wrong command line is to typer, whose own class has no public name.
_UsageError = cast(type[typer.BadParameter], typer.BadParameter.__bases__[0])
#: Errors of files that a user named, or of the disk that they are on: no bugs.
_OF_THE_DISK = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
}


def new_app(name: str, summary: str) -> typer.Typer:
    """A program without commands yet; alone, it prints its help."""
    app = typer.Typer(
        name=name,
        help=summary,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    def version(wanted: bool) -> None:
        if wanted:
            import animate

            print(f"{name} {animate.__version__}")
            raise typer.Exit

    @app.callback()
    def options(
        version: Annotated[
            bool,
            typer.Option("--version", callback=version, is_eager=True, help="Show the version and exit."),
        ] = False,
    ) -> None:
        pass  # with a callback, the command's name is part of the line even where there is one command

    return app


def first_sentence(command: Callable[..., object]) -> str:
    """What `--help` says of a command in its list: whole, where typer would cut it off."""
    return " ".join((command.__doc__ or "").partition("\n\n")[0].split())


def run(app: typer.Typer) -> None:
    """Run the command line.

    Exit codes: 0 done, 1 not all done or nothing came of it, 2 cannot be meant, 130 stopped.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a batch system's stop is as clean as Ctrl-C
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # not under nohup
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    # A training may need longer to keep what it has learnt.
    with watched("animate") if app.info.name == "animate" else contextlib.nullcontext():
        _run(app)


def _run(app: typer.Typer) -> NoReturn:
    # A library that began threads of its own may crash while the interpreter ends, after all is done.
    ends_itself = "ray" in sys.modules
    try:
        code = _code(app)
        if code == _STOPPED:
            _hear_no_more()
    except KeyboardInterrupt:  # one more, when all had been said and nothing was caught any more
        code = _STOPPED
        _hear_no_more()
    if ends_itself or "ray" not in sys.modules:
        # Python notes a KeyboardInterrupt that leaves `exec` (classes are generated so), and would end the
        # process by SIGINT instead, though it was caught. The next `exec` begins with another note.
        exec("")
        sys.exit(code)
    _end(code)


def _code(app: typer.Typer) -> int:
    """Runs the command line; the exit code, when whatever went wrong has been said in one sentence."""
    name = app.info.name
    try:
        return app(standalone_mode=False, prog_name=name) or 0
    except KeyboardInterrupt:  # a second one, while what the first stopped was cleared up
        return _STOPPED
    except _UsageError as error:
        message = error.format_message()
        if not message.strip() or "\n" in message:  # the help, where nothing is asked for
            error.show()
        else:
            path = error.ctx.command_path if error.ctx else name
            print(f"{name}: {message.rstrip('.')} (see `{path} --help`)", file=sys.stderr)
        return error.exit_code
    except ValueError as error:
        from animate.errors import UserError

        if not isinstance(error, UserError):
            raise
        print(f"{name}: {error}", file=sys.stderr)
        return error.exit_code
    except RuntimeError as error:
        # A signal that comes while a class is made, in the midst of an import, goes on as that.
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        return _STOPPED
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        print(f"{name}: {where}{error.strerror or error}", file=sys.stderr)
        return 2


def _hear_no_more() -> None:
    """Signals that would stop the program are for nothing from now on: it ends."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _end(code: int) -> NoReturn:
    """Ends the process at once, when all that was said is written."""
    _hear_no_more()
    if "logging" in sys.modules:
        sys.modules["logging"].shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)
