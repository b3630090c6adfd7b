# Installs the vGPU license token in this guest. The license server is
#     @SERVER@
# Run in a Windows guest that has NVIDIA's guest driver, in PowerShell 5 or 7, as Administrator:
#     powershell -ExecutionPolicy Bypass -File license-windows.ps1
#     ... -Token FILE          install the token from a file: no network needed
#     ... -FeatureType N       also set FeatureType in the registry
# The server is trusted only by its own root certificate below.
param(
    [string]$Token = '',
    [ValidateSet('', '0', '1', '2', '4')]
    [string]$FeatureType = '@FEATURE@'
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 2

$url = '@URL@'
$beside = '@TOKEN@'
if (-not $Token -and $beside) { $Token = Join-Path $PSScriptRoot $beside }
$root = @'
@ROOT@'@
$folder = Join-Path $env:ProgramFiles 'NVIDIA Corporation\vGPU Licensing\ClientConfigToken'
$registry = 'HKLM:\SOFTWARE\NVIDIA Corporation\Global\GridLicensing'

$identity = New-Object Security.Principal.WindowsPrincipal([Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $identity.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
    throw 'run this script as Administrator'
}

# The check is compiled, because .NET calls it on a thread without a PowerShell runspace. It accepts
# only a server certificate for this name that is signed by the root certificate above.
Add-Type -TypeDefinition @'
using System;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

public static class VgpuLicenseRoot
{
    public static X509Certificate2 Root;

    public static bool Check(object sender, X509Certificate certificate, X509Chain ignored, SslPolicyErrors errors)
    {
        const SslPolicyErrors fatal =
            SslPolicyErrors.RemoteCertificateNameMismatch | SslPolicyErrors.RemoteCertificateNotAvailable;
        if (certificate == null || (errors & fatal) != 0) { return false; }
        X509Chain chain = new X509Chain();
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationFlags = X509VerificationFlags.AllowUnknownCertificateAuthority;
        chain.ChainPolicy.ExtraStore.Add(Root);
        if (!chain.Build(new X509Certificate2(certificate))) { return false; }
        X509Certificate2 last = chain.ChainElements[chain.ChainElements.Count - 1].Certificate;
        return chain.ChainElements.Count > 1
            && Convert.ToBase64String(last.RawData) == Convert.ToBase64String(Root.RawData);
    }
}
'@
if ($Token) {
    $text = [IO.File]::ReadAllText((Resolve-Path -LiteralPath $Token).ProviderPath)
} else {
    $lines = $root -split "`r?`n" | Where-Object { $_ -and $_ -notmatch '^-----' }
    $der = [Convert]::FromBase64String(($lines -join ''))
    [VgpuLicenseRoot]::Root = New-Object Security.Cryptography.X509Certificates.X509Certificate2(, $der)
    [Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
    $request = [Net.WebRequest]::Create("$url/-/client-token")
    $request.Proxy = $null
    $request.Timeout = 30000
    $method = [VgpuLicenseRoot].GetMethod('Check')
    $request.ServerCertificateValidationCallback =
        [Delegate]::CreateDelegate([Net.Security.RemoteCertificateValidationCallback], $method)
    $response = $request.GetResponse()
    try {
        $reader = New-Object IO.StreamReader($response.GetResponseStream())
        $text = $reader.ReadToEnd()
    } finally {
        $response.Close()
    }
}

# A token is three base64url parts with dots between them. Check this before it replaces a token.
$text = $text.Trim()
if ($text -notmatch '^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$') {
    throw 'the text is not a token; the existing token is unchanged'
}

$null = New-Item -ItemType Directory -Force -Path $folder
$name = 'client_configuration_token_{0}.tok' -f (Get-Date -Format 'dd-MM-yyyy-HH-mm-ss')
$new = Join-Path $folder "$name.new"
[IO.File]::WriteAllText($new, $text)
# Several tokens confuse the driver, so remove the old ones.
Get-ChildItem -LiteralPath $folder -Filter '*.tok' | Remove-Item -Force
Move-Item -LiteralPath $new -Destination (Join-Path $folder $name)
Write-Output "license: installed $name"

if ($FeatureType) {
    if (-not (Test-Path -LiteralPath $registry)) { $null = New-Item -Force -Path $registry }
    $null = New-ItemProperty -Force -LiteralPath $registry -Name 'FeatureType' -PropertyType DWord -Value ([int]$FeatureType)
    Write-Output "license: FeatureType=$FeatureType"
}

Restart-Service -Name 'NVDisplay.ContainerLocalSystem'
for ($i = 0; $i -lt 30; $i++) {
    $state = & nvidia-smi -q | Select-String -Pattern 'License Status'
    if ($state -match 'Licensed' -and $state -notmatch 'Unlicensed') {
        Write-Output "$state"
        exit 0
    }
    Start-Sleep -Seconds 2
}
Write-Output "$state"
throw 'no license after a minute; the clocks of guest and server must agree'
