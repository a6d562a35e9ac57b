"""`animate doctor`."""

import typer


def doctor() -> None:
    """Say what is installed and works, what is missing and what that means; exit 1 if anything needed is."""
    from animate.doctor import examine

    findings = examine()
    for finding in findings:
        print(f"{finding.state:<8} {finding.name:<12} {finding.found}")
        if finding.means:
            print(f"{'':<21} -> {finding.means}")
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)
