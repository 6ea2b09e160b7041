"""Text2SQLCLI: `text2sql fit | validate | test | predict`, where data and model meet."""

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn, cast

import yaml
from jsonargparse import Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.rank_zero import _get_rank
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_info

from text2sql_lightning.callbacks.execution_accuracy import ExecutionAccuracy
from text2sql_lightning.callbacks.generations import PredictionWriter, SampleGenerations
from text2sql_lightning.callbacks.interruption import ProcessWatch
from text2sql_lightning.callbacks.progress import Throughput, plain_progress
from text2sql_lightning.callbacks.run_checkpoint import RunCheckpoint
from text2sql_lightning.callbacks.run_files import AdapterCheckpoint, MetricsJson, RunMetadata
from text2sql_lightning.callbacks.wandb_run import WandbRun, finish_wandb, wandb_problem
from text2sql_lightning.commands.config_checks import (
    check_nulls,
    check_sections,
    check_trainer,
    check_trainer_support,
    given_configs,
    given_model_settings,
)
from text2sql_lightning.commands.console import quiet_libraries, shortened
from text2sql_lightning.commands.options import LINKS, TRAINER_DEFAULTS
from text2sql_lightning.constants import (
    ADAPTERS_DIR,
    CHECKPOINTS_DIR,
    CONFIG_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RUN_META_FILE,
)
from text2sql_lightning.data.datamodule import Text2SQLDataModule
from text2sql_lightning.errors import ConfigError, RunError, Text2SQLError
from text2sql_lightning.files.atomic import disk_full, remove_leftovers, write_text
from text2sql_lightning.inference.artifacts import merge_adapter_settings, merge_checkpoint_settings
from text2sql_lightning.modeling.backends import Hardware, choose_precision
from text2sql_lightning.module import Text2SQLModule
from text2sql_lightning.runs import output_folder
from text2sql_lightning.runs.loggers import WANDB_RUN_ID, configure_loggers, last_wandb_run_id
from text2sql_lightning.runs.run_meta import Mode, RunMeta

_COMPUTED: Final[dict[str, Callable[[str], object]]] = {
    "checkpoint.dirpath": lambda output_dir: str(Path(output_dir) / CHECKPOINTS_DIR),
    "model.seed": int,
    "data.seed": int,
}
"""How a linked option is computed where it is not a copy."""


class OneLineParser(LightningArgumentParser):
    """A parser whose errors are one line on stderr and exit code 2, without the usage."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print what is wrong and exit."""
        text = " ".join(line.strip() for line in str(message).strip().splitlines())
        sys.stderr.write(f"error: {shortened(text)} (see --help)\n")
        sys.exit(2)


class Text2SQLCLI(LightningCLI):
    """LightningCLI with the project's links, forced callbacks and output folder."""

    _goes_on = False
    """Whether a fit goes on with the run in its output folder."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the output folder, the callbacks that each run has, and the links between data and model."""
        parser.add_argument("--output_dir", type=str, default="outputs/run", help="Folder of all that the run writes.")
        parser.add_argument("--overwrite", type=bool, default=False, help="Delete a run that is already there.")
        parser.add_lightning_class_args(RunCheckpoint, "checkpoint")
        parser.add_lightning_class_args(ExecutionAccuracy, "execution_accuracy")
        parser.add_lightning_class_args(SampleGenerations, "sample_generations")
        for source, target in LINKS:
            parser.link_arguments(source, target, compute_fn=_COMPUTED.get(target))

    def _parse_ckpt_path(self) -> None:
        """Hold the flags against the checkpoint, instead of letting it silently win over them."""
        subcommand = self.config.subcommand
        config = self.config[subcommand]
        given = given_model_settings(self._args)
        folder = Path(config.output_dir)
        if config.ckpt_path:
            config.ckpt_path = output_folder.resolve_checkpoint(config.ckpt_path, folder / CHECKPOINTS_DIR)
            merge_checkpoint_settings(config.model, given, Path(config.ckpt_path), resuming=subcommand == "fit")
        elif config.model.adapter_path:
            merge_adapter_settings(config.model, given, Path(config.model.adapter_path))
        elif subcommand != "fit" and "lora" not in given:
            config.model.lora = None  # nothing trained was named: the bare base model is scored
        config.data.tokenizer = config.model.base_model  # the link was made before the checkpoint was read

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Remember the arguments, to tell a given value from a default."""
        self._args = [str(argument) for argument in args] if isinstance(args, list) else sys.argv[1:]
        configs = given_configs(self._args)
        subcommand = next((argument for argument in self._args if argument in self._subcommand_parsers), None)
        if subcommand is not None:
            check_sections(self._parser(subcommand), configs)
        try:
            super().parse_arguments(parser, args)
        except Text2SQLError:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            # Not the parser's own kind of error: a value that it stumbles over, such as a path with a NUL in it.
            raise ConfigError(f"the configuration cannot be read ({type(error).__name__}: {error})") from error
        if "subcommand" in self.config:
            config = self.config[self.config.subcommand]
            check_nulls(self._parser(self.config.subcommand), config)
            check_trainer(config)

    def before_instantiate_classes(self) -> None:
        """Claim the output folder and fill in what depends on the machine."""
        config = self.config[self.subcommand]
        if config.trainer.accelerator in ("gpu", "cuda") and Hardware.here().cuda_capability is None:
            raise ConfigError(
                f"trainer.accelerator {config.trainer.accelerator}: there is no CUDA GPU here; without one use a small "
                "model and configs/experiment/quickstart_cpu.yaml, or --trainer.accelerator cpu"
            )
        hardware = Hardware(None) if config.trainer.accelerator == "cpu" else Hardware.here()
        if config.trainer.precision is None:
            config.trainer.precision = choose_precision(hardware)
        check_trainer_support(
            config.trainer.strategy, config.trainer.precision, on_cpu=hardware.cuda_capability is None
        )
        folder = Path(config.output_dir)
        self.outputs = folder if self.subcommand == "fit" else folder / str(self.subcommand)
        self._claim(config)
        self._repeatable = config.clone()  # without this run's log folder
        self._wandb_run_id = last_wandb_run_id(self.outputs) if self._goes_on else None
        configure_loggers(config, self.outputs, self._wandb_run_id)

    def _claim(self, config: Namespace) -> None:
        # The processes that DDP starts run this command too, in the folder that the first one has claimed.
        if _get_rank():
            return
        if self.subcommand == "fit":
            checkpoints = self.outputs / CHECKPOINTS_DIR
            resume = bool(config.ckpt_path) and Path(config.ckpt_path).resolve().parent == checkpoints.resolve()
            config.overwrite = config.overwrite and not resume
            self._goes_on = resume
            output_folder.reserve_folder(self.outputs, resume=resume, overwrite=config.overwrite)
            for folder in (self.outputs, checkpoints):
                remove_leftovers(folder)
        else:
            output_folder.make_writable(self.outputs)

    def instantiate_classes(self) -> None:
        """Make module, data and trainer; nothing is loaded yet, so what goes wrong is a setting."""
        try:
            super().instantiate_classes()
        except Text2SQLError:
            raise
        except (MisconfigurationException, ValueError, TypeError, LookupError, AttributeError) as error:
            raise ConfigError(f"the configuration cannot be used ({type(error).__name__}: {error})") from error

    def instantiate_trainer(self, **kwargs: object) -> Trainer:
        """Add the callbacks that take no settings."""
        config = self.config[self.subcommand]
        text = self._parser(self.subcommand).dump(config, skip_none=False, skip_validation=True)
        mode = cast(Mode, "train" if self.subcommand == "fit" else self.subcommand)
        self.run_meta = RunMeta(self.outputs, mode, yaml.safe_load(text), ["text2sql", *self._args])
        self.process_watch = ProcessWatch(self.run_meta)
        self.run_meta.meta[WANDB_RUN_ID] = self._wandb_run_id
        callbacks: list[Callback] = [
            self.process_watch,
            RunMetadata(self.run_meta),
            MetricsJson(str(self.outputs)),
            PredictionWriter(str(self.outputs)),
        ]
        if self.subcommand == "fit":
            callbacks += [AdapterCheckpoint(config.output_dir), Throughput()]
        callbacks.append(WandbRun(self.run_meta))  # behind the writers of what it logs
        chosen = self._get(self.config_init, "trainer.callbacks")
        callbacks += plain_progress(chosen, config.trainer.enable_progress_bar)
        self.trainer_defaults = {**TRAINER_DEFAULTS, "callbacks": callbacks}
        try:
            return super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, ValueError, TypeError) as error:
            raise ConfigError(f"trainer: {str(error).splitlines()[0]}") from error

    def _run_subcommand(self, subcommand: str) -> None:
        if self.trainer.is_global_zero:
            if self.config[subcommand].get("overwrite") and subcommand == "fit":
                self.datamodule.setup("fit")  # what can be wrong with the data shows before the older run is gone
                output_folder.delete_run_files(self.outputs)
            self._save_config()
            self.run_meta.begin()
        try:
            super()._run_subcommand(subcommand)
        except BaseException as error:
            if self.trainer.is_global_zero:
                with suppress(OSError):  # the disk may be full, and that is what has to be said
                    self.run_meta.fail(error)
                finish_wandb(self.trainer.loggers, failed=True)
            if (named := self._named(error)) is not None:
                raise named from error
            raise
        if self.trainer.is_global_zero:
            self.run_meta.finish("completed")
            finish_wandb(self.trainer.loggers, failed=False)
            rank_zero_info(f"done: {self.outputs} holds {', '.join(outputs_in(self.outputs))}")

    def _named(self, error: BaseException) -> BaseException | None:
        """Return what a user should read instead of a library's error; None where that is as good."""
        if self.process_watch.cause:
            return RunError(self.process_watch.cause)
        if isinstance(error, ValueError) and "val_check_interval" in str(error):
            return ConfigError(f"trainer: {' '.join(str(error).split())}")
        if isinstance(error, SystemExit) and self.run_meta.meta["status"] == "interrupted":
            return KeyboardInterrupt()  # Lightning has made an exit code of 1 of it
        return wandb_problem(error) or disk_full(error, self.outputs)

    def _save_config(self) -> None:
        parser = self._parser(self.subcommand)
        config = self._repeatable.clone()
        config.ckpt_path, config.overwrite = None, False  # repeating the run neither resumes nor deletes
        write_text(self.outputs / CONFIG_FILE, parser.dump(config, skip_none=False, skip_validation=True))

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, object]:
        kwargs = super()._prepare_subcommand_kwargs(subcommand)
        kwargs["weights_only"] = True  # a checkpoint of a stranger must not run code
        if subcommand == "predict":
            kwargs["return_predictions"] = False
        return kwargs


def outputs_in(folder: Path) -> list[str]:
    """Name what a user will look for in an output folder, folders with a slash."""
    wanted = (ADAPTERS_DIR, METRICS_FILE, PREDICTIONS_FILE, RUN_META_FILE)
    return [f"{name}/" if (folder / name).is_dir() else name for name in wanted if (folder / name).exists()]


class RehearsalCLI(Text2SQLCLI):
    """Parses and instantiates everything, then stops: nothing is loaded, run or written."""

    def _claim(self, config: Namespace) -> None:
        pass

    def _run_subcommand(self, subcommand: str) -> None:
        pass


class ParsingCLI(RehearsalCLI):
    """Parses alone."""

    def before_instantiate_classes(self) -> None:
        """Leave the configuration as it was given."""

    def instantiate_classes(self) -> None:
        """Make nothing."""


def run(args: ArgsType = None, cli_class: type[Text2SQLCLI] = Text2SQLCLI) -> Text2SQLCLI:
    """Parse the arguments and run the command."""
    quiet_libraries()
    return cli_class(
        Text2SQLModule,
        Text2SQLDataModule,
        args=args,
        parser_class=OneLineParser,
        save_config_callback=None,
        seed_everything_default=42,
        trainer_defaults=dict(TRAINER_DEFAULTS),
        auto_configure_optimizers=False,
        load_from_checkpoint_support=False,  # checkpoints describe themselves, see Text2SQLModule.identity
    )
