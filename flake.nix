# Refrain as a flake: the package, a shell to work in, checks, and the modules of a
# server and of an agent. There is no flake.lock: the first who evaluates it makes one.
{
  description = "Refrain, a control plane for fleets of NixOS hosts";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      forEach = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      # self has no rev where there are changes that are not committed.
      source = {
        revision = self.rev or "";
        date = self.lastModifiedDate or "";
      };
      withPackage = module: { pkgs, ... }: {
        imports = [ module ];
        config.nixpkgs.overlays = [ self.overlays.default ];
      };
    in
    {
      overlays.default = final: _: {
        refrain = final.callPackage ./deploy/nix/package.nix source;
      };

      packages = forEach (pkgs: rec {
        refrain = pkgs.callPackage ./deploy/nix/package.nix source;
        default = refrain;
      });

      devShells = forEach (pkgs: {
        default = pkgs.mkShell {
          packages = [ pkgs.go pkgs.gnumake pkgs.gcc pkgs.curl pkgs.jq pkgs.nix ];
        };
      });

      nixosModules = {
        server = withPackage ./deploy/nix/server.nix;
        agent = withPackage ./deploy/nix/agent.nix;
        default = {
          imports = [ self.nixosModules.server self.nixosModules.agent ];
        };
      };

      checks = forEach (
        pkgs:
        { package = self.packages.${pkgs.stdenv.hostPlatform.system}.default; }
        // nixpkgs.lib.optionalAttrs pkgs.stdenv.isLinux {
          # Two machines, a rollout to one of them. No test of this repository runs it.
          vm = pkgs.testers.runNixOSTest (import ./deploy/nix/vm-test.nix self);
        }
      );
    };
}
