"""The helper in place of spiffe-helper, from that program's own file."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from spire_bridge.errors import BridgeError
from spire_bridge.helper.engine import Engine, write_once
from spire_bridge.helper.follow_up import SignalPidFile
from spire_bridge.helper.output import FollowUp
from spire_bridge.helper.program import Program, ProgramPlan, Restart
from spire_bridge.listen.activation import passed_sockets
from spire_bridge.listen.server import serving
from spire_bridge.service.drop_in.go_address import go_listen_address
from spire_bridge.service.drop_in.spiffe_helper.arguments import (
    InvalidArguments,
    renewal_signal,
    split_arguments,
)
from spire_bridge.service.drop_in.spiffe_helper.config import (
    HealthChecks,
    HelperConfig,
    load_helper_config,
)
from spire_bridge.service.drop_in.spiffe_helper.health import helper_health
from spire_bridge.service.drop_in.spiffe_helper.outputs import ConfiguredOutputs, file_states
from spire_bridge.service.drop_in.spiffe_helper.place import process_umask
from spire_bridge.service.helping.announcer import Announcer
from spire_bridge.service.helping.sources import AgentSources
from spire_bridge.service.process import stop_signals, use_all_descriptors
from spire_bridge.service.settings.helper import AgentSettings
from spire_bridge.telemetry.logs import configure_logging
from spire_bridge.telemetry.systemd import Notifier

_log = logging.getLogger(__name__)

# What ends the reference, and is of use to the program alone.
_PASSED_ON = (
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGQUIT,
    signal.SIGWINCH,
)


class OutputsNotWritten(BridgeError):
    """What was to be written once could not be. The reference ends with 1 then, so do we."""

    code = "OUTPUTS_NOT_WRITTEN"


def run_as_spiffe_helper(path: Path, *, daemon: bool | None, timeout_seconds: float) -> None:
    """Keeps the files until SIGTERM or SIGINT, or writes them once within `timeout_seconds`.

    `daemon` is what the command line says of it, if it does. Raises `InvalidHcl`,
    `FileFailure` and `OutputsNotWritten`.
    """
    passed_sockets()  # before the program could inherit them
    use_all_descriptors()
    configure_logging("text", "info")
    config = load_helper_config(path, daemon=daemon)
    for warning in config.warnings:
        _log.warning(warning)
    umask = process_umask()
    if config.daemon:
        asyncio.run(_keep(config, umask, Notifier.from_environment()))
    else:
        asyncio.run(_write(config, umask, timeout_seconds))


async def _write(config: HelperConfig, umask: int, timeout_seconds: float) -> None:
    async with AgentSources.opened(AgentSettings(address=config.agent_address)) as sources:
        outputs = ConfiguredOutputs(config, sources, umask).build()
        try:
            await write_once(outputs, timeout_seconds=timeout_seconds)
        except BridgeError as error:
            raise OutputsNotWritten(error.message, hint=error.hint) from None


async def _keep(config: HelperConfig, umask: int, notifier: Notifier) -> None:
    engine = Engine(on_state=lambda _: announcer.tell())
    announcer = Announcer(lambda: engine.states, notifier)
    number = _signal(config)
    program = _program(config, number)
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stop_signals())
        sources = await stack.enter_async_context(
            AgentSources.opened(AgentSettings(address=config.agent_address))
        )
        if config.health_checks is not None:
            await _serve_health(stack, config.health_checks, config, engine)
        if program is not None:
            _pass_signals_on(program)
        await stack.enter_async_context(engine)
        await engine.keep(
            ConfiguredOutputs(config, sources, umask).build(*_follow_ups(config, program, number))
        )
        watchdog = asyncio.create_task(notifier.watchdog(), name="watchdog")
        stack.callback(watchdog.cancel)
        await stop.wait()
        _log.info("stopping")
        notifier.stopping()
        if program is not None:
            await program.stop()


def _program(config: HelperConfig, number: signal.Signals | None) -> Program | None:
    """What can't be run is told, and keeps no file from being written."""
    if not config.cmd:
        return None
    if config.x509 is None:
        _log.warning("cmd is not started: only a change of the X.509 files does that")
        return None
    try:
        arguments = split_arguments(config.cmd_args)
    except InvalidArguments as error:
        _log.error("cmd is not started", extra={"reason": error.message, "hint": error.hint})
        return None
    return Program(ProgramPlan((config.cmd, *arguments), number, Restart.ON_CHANGE))


def _follow_ups(
    config: HelperConfig, program: Program | None, number: signal.Signals | None
) -> list[FollowUp]:
    follow_ups: list[FollowUp] = [program] if program is not None else []
    if config.pid_file and number is not None:
        follow_ups.append(SignalPidFile(Path(config.pid_file), number))
    return follow_ups


def _signal(config: HelperConfig) -> signal.Signals | None:
    number = renewal_signal(config.renew_signal)
    if config.renew_signal and number is None:
        _log.error(
            "renew_signal is unknown: nothing is signalled",
            extra={"signal": config.renew_signal, "hint": "it is a name such as SIGHUP"},
        )
    return number


def _pass_signals_on(program: Program) -> None:
    loop = asyncio.get_running_loop()
    for number in _PASSED_ON:
        loop.add_signal_handler(number, program.send, number)


async def _serve_health(
    stack: AsyncExitStack, checks: HealthChecks, config: HelperConfig, engine: Engine
) -> None:
    """A port that can't be had is no reason not to write the files."""
    handler = helper_health(checks, lambda: file_states(config, engine.states))
    try:
        await stack.enter_async_context(serving(handler, go_listen_address(f":{checks.port}")))
    except BridgeError as error:
        _log.error("health checks are not served", extra={"reason": error.message})
