# services.refrain: the control plane.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.refrain;
  inherit (lib) mkEnableOption mkIf mkOption types;
  # YAML reads JSON.
  file = pkgs.writeText "refrain.yaml" (builtins.toJSON { serve = cfg.settings; });
in
{
  options.services.refrain = {
    enable = mkEnableOption "the Refrain control plane";

    package = mkOption {
      type = types.package;
      default = pkgs.refrain;
      description = "The package to run.";
    };

    settings = mkOption {
      description = ''
        The section serve of the configuration: the flags of refrain serve without their
        dashes. deploy/refrain.example.yaml describes each; an unknown one keeps the
        service from starting, with an error that names it.
      '';
      default = { };
      type = types.submodule {
        freeformType = types.attrsOf types.anything;
        options = {
          listen = mkOption {
            type = types.str;
            default = ":8443";
            description = "The address for agents and operators, host:port.";
          };
          tls-cert = mkOption {
            type = types.path;
            default = "/etc/refrain/server.crt";
            description = "The server's certificate, PEM. It is read again when it changes. A path of the store cannot be replaced: use a string.";
          };
          tls-key = mkOption {
            type = types.path;
            default = "/etc/refrain/server.key";
            description = "The key of the certificate, PEM, readable for the group refrain-tls. Never a path of the nix store, which everybody may read.";
          };
          client-ca = mkOption {
            type = types.path;
            default = "/etc/refrain/client-ca.pem";
            description = "The CA of the agents' and operators' certificates, PEM.";
          };
          agent-cn-suffix = mkOption {
            type = types.str;
            example = "fleet.example.com";
            description = "The suffix of the common names of certificates.";
          };
          db = mkOption {
            type = types.str;
            default = "/var/lib/refrain/plane.db";
            description = "The database that keeps the state.";
          };
          ops-listen = mkOption {
            type = types.str;
            default = "127.0.0.1:9090";
            description = "The address of /livez, /readyz and /metrics: host:port or unix:/run/refrain/ops.sock.";
          };
        };
      };
    };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "Whether to open the port of settings.listen.";
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = !(lib.hasPrefix builtins.storeDir (toString cfg.settings.tls-key));
        message = "services.refrain.settings.tls-key is ${toString cfg.settings.tls-key}, which everybody may read; want a file outside of the nix store";
      }
    ];

    networking.firewall.allowedTCPPorts = mkIf cfg.openFirewall [
      (lib.toInt (lib.last (lib.splitString ":" cfg.settings.listen)))
    ];

    users.groups.refrain-tls = { };

    systemd.services.refrain = {
      description = "Refrain, a control plane for fleets of NixOS hosts";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      serviceConfig = {
        Type = "notify";
        ExecStart = "${cfg.package}/bin/refrain serve --config ${file}";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        WatchdogSec = "30s";
        Restart = "always";
        RestartSec = "1s";
        TimeoutStopSec = "30s";
        StateDirectory = "refrain";
        StateDirectoryMode = "0700";
        RuntimeDirectory = "refrain";
        DynamicUser = true;
        SupplementaryGroups = "refrain-tls";
        LimitNOFILE = 524288;
        CapabilityBoundingSet = "";
        NoNewPrivileges = true;
        LockPersonality = true;
        MemoryDenyWriteExecute = true;
        PrivateDevices = true;
        PrivateTmp = true;
        ProtectClock = true;
        ProtectControlGroups = true;
        ProtectHome = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectProc = "invisible";
        ProtectSystem = "strict";
        RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX";
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        SystemCallArchitectures = "native";
        SystemCallFilter = "@system-service";
      };
    };
  };
}
