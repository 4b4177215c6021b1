# Deploy the gateway: ./deploy.ps1 ENV [--dry-run] [more options: ./deploy.ps1 --help]
# A thin wrapper around `websocket-handler deploy`. It also prints what is missing on this machine.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

function Exit-Missing {
    param([string]$What)
    Write-Host 'missing  ' -ForegroundColor Red -NoNewline
    Write-Host $What
    exit 2
}

$folder = $PSScriptRoot
$python = $env:PYTHON
if (-not $python) {
    $python = @('python3', 'python', 'py') |
        Where-Object { Get-Command $_ -ErrorAction SilentlyContinue } |
        Select-Object -First 1
}
if (-not $python -or -not (Get-Command $python -ErrorAction SilentlyContinue)) {
    Exit-Missing 'Python 3.11 or newer: install it, or name it in PYTHON'
}
& $python -c 'import sys; sys.exit(sys.version_info < (3, 11))'
if ($LASTEXITCODE -ne 0) {
    Exit-Missing "Python 3.11 or newer: $python is older"
}
& $python -c 'import importlib.util as u, sys; sys.exit(not (u.find_spec(''botocore'') and u.find_spec(''click'') and u.find_spec(''msgspec'')))'
if ($LASTEXITCODE -ne 0) {
    Exit-Missing "the AWS SDK: $python -m pip install -r $folder/requirements.txt"
}

$options = $args
if ($options.Count -eq 0) {
    $options = @('--help')
}
$before = $env:PYTHONPATH
$env:PYTHONPATH = Split-Path -Parent $folder
if ($before) {
    $env:PYTHONPATH += [IO.Path]::PathSeparator + $before
}
try {
    & $python -m websocket_handler.cli.deploy @options
    $code = $LASTEXITCODE
}
finally {
    $env:PYTHONPATH = $before
}
exit $code
