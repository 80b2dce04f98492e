# The program, static, with its manual pages and completions.
#
# vendor-hash is that of go mod vendor; a test compares it (go test ./deploy/nix).
{
  lib,
  buildGoModule,
  installShellFiles,
  stdenv,
  # The commit, 40 hex digits, and its time, YYYYMMDDHHMMSS; empty if they are not known.
  revision ? "",
  date ? "",
}:
buildGoModule {
  pname = "refrain";
  version = "0.0.0" + lib.optionalString (revision != "") "-dev.g${lib.substring 0 12 revision}";

  src = lib.cleanSource ../..;
  vendorHash = lib.fileContents ./vendor-hash;
  subPackages = [ "cmd/refrain" ];

  env.CGO_ENABLED = 0;
  ldflags = [
    "-X github.com/refrain-fleet/refrain/internal/version.stamp=0.0.0${lib.optionalString (revision != "") "-dev.g${lib.substring 0 12 revision}"},${revision},${date}"
  ];

  # The tests start processes, listen on ports and want a nix store of their own; make
  # test runs them.
  doCheck = false;

  nativeBuildInputs = [ installShellFiles ];
  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    $out/bin/refrain man man
    installManPage man/*.1
    $out/bin/refrain completion bash > refrain.bash
    $out/bin/refrain completion fish > refrain.fish
    installShellCompletion refrain.bash refrain.fish
  '';

  meta = {
    description = "A control plane for fleets of NixOS hosts";
    homepage = "https://github.com/refrain-fleet/refrain";
    license = lib.licenses.asl20;
    mainProgram = "refrain";
    platforms = lib.platforms.unix;
  };
}
