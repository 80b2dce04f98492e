# services.refrain-agent: the agent of this host.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.refrain-agent;
  inherit (lib) mkEnableOption mkIf mkOption types;
  file = pkgs.writeText "refrain-agent.yaml" (builtins.toJSON { agent = cfg.settings; });
in
{
  options.services.refrain-agent = {
    enable = mkEnableOption "the Refrain agent, which switches this host";

    package = mkOption {
      type = types.package;
      default = pkgs.refrain;
      description = "The package to run.";
    };

    settings = mkOption {
      description = ''
        The section agent of the configuration: the flags of refrain agent without their
        dashes. refrain agent --help describes each; an unknown one keeps the service from
        starting, with an error that names it.
      '';
      default = { };
      type = types.submodule {
        freeformType = types.attrsOf types.anything;
        options = {
          url = mkOption {
            type = types.str;
            example = "https://plane.example.com:8443";
            description = "The URL of the plane.";
          };
          cert = mkOption {
            type = types.path;
            default = "/etc/refrain/agent.crt";
            description = "The certificate of this host, PEM.";
          };
          key = mkOption {
            type = types.path;
            default = "/etc/refrain/agent.key";
            description = "The key of the certificate, PEM. Never a path of the nix store, which everybody may read.";
          };
          ca = mkOption {
            type = types.path;
            default = "/etc/refrain/ca.crt";
            description = "The CA of the plane, PEM.";
          };
          reboot-policy = mkOption {
            type = types.str;
            default = "never";
            example = "02:00-04:30";
            description = "When this host may be rebooted for a new kernel: never, at-once, or a window of local time.";
          };
        };
      };
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = !(lib.hasPrefix builtins.storeDir (toString cfg.settings.key));
        message = "services.refrain-agent.settings.key is ${toString cfg.settings.key}, which everybody may read; want a file outside of the nix store";
      }
    ];

    systemd.services.refrain-agent = {
      description = "Refrain, the agent of a NixOS host";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" "nix-daemon.socket" ];
      startLimitIntervalSec = 0;
      path = [ config.nix.package config.systemd.package ];
      environment.NIX_REMOTE = "daemon";
      serviceConfig = {
        Type = "notify";
        ExecStart = "${cfg.package}/bin/refrain --config ${file} agent run";
        Restart = "always";
        RestartSec = "2s";
        StateDirectory = "refrain-agent";
        StateDirectoryMode = "0700";
        CapabilityBoundingSet = "CAP_DAC_READ_SEARCH";
        NoNewPrivileges = true;
        LockPersonality = true;
        MemoryDenyWriteExecute = true;
        PrivateTmp = true;
        ProtectClock = true;
        ProtectControlGroups = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectSystem = "strict";
        RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX AF_NETLINK";
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        SystemCallArchitectures = "native";
        SystemCallFilter = "@system-service";
      };
    };
  };
}
