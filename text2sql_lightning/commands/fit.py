"""Train an adapter or score one with LightningCLI: `text2sql fit | validate | test | predict`."""

import sys
from collections.abc import Sequence

from text2sql_lightning.commands.config_checks import find_configs, prepare_libraries
from text2sql_lightning.commands.console import run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command of LightningCLI.

    Args:
        argv: `fit`, `validate`, `test` or `predict`, and its options; those of the process when None.

    Returns:
        The exit code: 0, 2 after a mistake of the user's, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if {"-h", "--help"} & {*arguments}:
        from text2sql_lightning.commands.options import options_page

        print(options_page(arguments[0] if arguments[0] in ("validate", "test", "predict") else "fit"), end="")
        return 0
    return run_command(lambda: _run(find_configs(arguments)))


def _run(arguments: list[str]) -> None:
    prepare_libraries(arguments)
    from text2sql_lightning.commands.cli import run  # imports transformers, which Unsloth has to come before

    run(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
