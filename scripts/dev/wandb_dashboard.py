"""Save a W&B dashboard, which a YAML file describes, as a view of a project."""

import json
import os
import sys
from argparse import ArgumentDefaultsHelpFormatter, Namespace
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import yaml

from text2sql_lightning.commands.console import OneLineParser, run_command
from text2sql_lightning.errors import ConfigError, DataError, RunError, Text2SQLError
from text2sql_lightning.runs.loggers import has_wandb_key

DEFINITION: Final = Path("configs/dashboard/wandb.yaml")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    args = _parser().parse_args(argv)
    return run_command(lambda: _run(args))


def _parser() -> OneLineParser:
    parser = OneLineParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter, allow_abbrev=False)
    add = parser.add_argument
    add("--entity", default=os.environ.get("WANDB_ENTITY"), help="user or team; else the key's own")
    add("--project", default="text2sql_lightning", help="a project that has runs")
    add("--definition", type=Path, default=DEFINITION, help="the dashboard")
    add("--dry_run", action="store_true", help="print the view as JSON and send nothing")
    return parser


def _run(args: Namespace) -> None:
    definition = read_definition(args.definition)
    if not args.dry_run and not has_wandb_key():
        raise ConfigError("there is no W&B key: set WANDB_API_KEY or run `wandb login`; --dry_run needs none")
    try:
        import_module("wandb_workspaces")  # before anything is asked of the server
        if args.dry_run:
            view = workspace(definition, args.entity or "ENTITY", args.project)._to_model()
            print(json.dumps(view.spec.model_dump(by_alias=True, exclude_none=True, mode="json"), indent=2))
            return
        print(f"saved: {_save(definition, args.entity, args.project)}")
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed: pip install 'text2sql_lightning[dashboard]'") from error
    except Text2SQLError:
        raise
    except Exception as error:  # of any class: no network, no rights, no such project
        raise RunError(f"W&B has not taken the dashboard: {' '.join(str(error).split())[:300]}") from error


def _save(definition: dict[str, Any], entity: str | None, project: str) -> str:
    import wandb

    entity = entity or wandb.Api().default_entity
    if entity is None:
        raise ConfigError("the W&B key belongs to nobody; give --entity, a user or a team")
    return str(workspace(definition, entity, project).save().url)


def read_definition(path: Path) -> dict[str, Any]:
    """Read a dashboard.

    Args:
        path: YAML with `name`, `x_axis` and `sections`, each with a `name`, `charts` (a metric's name, or `title` and
            `metrics`) and perhaps `tables`.

    Raises:
        DataError: The file is missing, or not of this form; says which.
    """
    try:
        definition: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        definition["name"], definition["x_axis"]
        for section in definition["sections"]:
            section["name"], [metrics_of(chart) for chart in section["charts"]]
    except OSError as error:
        raise DataError(f"--definition {path} cannot be read: {error.strerror}; give a YAML file") from error
    except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        problem = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"--definition {path} is no dashboard ({problem}); see {DEFINITION}") from error
    return definition


def metrics_of(chart: str | dict[str, Any]) -> list[str]:
    """Return the metrics of a chart."""
    return [chart] if isinstance(chart, str) else list(chart["metrics"])


def workspace(definition: dict[str, Any], entity: str, project: str) -> Any:
    """Build the view; W&B adds its own panels for system metrics."""
    from wandb_workspaces import workspaces

    reports: Any = import_module("wandb_workspaces.reports.v2")  # its names are not declared

    def panels(section: dict[str, Any]) -> list[Any]:
        lines = [
            reports.LinePlot(
                title=chart if isinstance(chart, str) else chart["title"], x=definition["x_axis"], y=metrics_of(chart)
            )
            for chart in section["charts"]
        ]
        return [*lines, *(reports.WeavePanelSummaryTable(table_name=name) for name in section.get("tables", []))]

    return workspaces.Workspace(
        entity=entity,
        project=project,
        name=definition["name"],
        sections=[
            workspaces.Section(name=section["name"], panels=panels(section), is_open=True)
            for section in definition["sections"]
        ],
        settings=workspaces.WorkspaceSettings(x_axis=definition["x_axis"]),
        auto_generate_panels=True,
    )


if __name__ == "__main__":
    sys.exit(main())
