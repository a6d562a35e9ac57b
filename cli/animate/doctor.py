"""`animate doctor`."""

from typing import Annotated

import typer


def doctor(
    load: Annotated[
        bool, typer.Option("--load", help="Import what takes seconds, too: torch and what stands on it, Ray.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="A JSON list in place of lines.")] = False,
) -> None:
    """Say what is installed and works, what is missing and what that means; exit 1 if anything needed is."""
    from animate.doctor import examine

    findings = examine(load=load)
    if json_:
        import json
        from dataclasses import asdict

        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{finding.state:<8} {finding.name:<12} {finding.found}")
            if finding.means:
                print(f"{'':<21} -> {finding.means}")
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)
