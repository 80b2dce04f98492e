# A plane and a host of two virtual machines: the host enrols by hand, heartbeats, and is
# shown as reachable. It needs nixpkgs and KVM: nix build .#checks.x86_64-linux.vm. No
# test of this repository has run it.
self:
{
  name = "refrain";

  nodes.plane =
    { pkgs, ... }:
    {
      imports = [ self.nixosModules.server ];
      environment.systemPackages = [ pkgs.refrain ];
      services.refrain = {
        enable = true;
        openFirewall = true;
        settings.agent-cn-suffix = "fleet.test";
      };
      # The test makes the certificates first.
      systemd.services.refrain.wantedBy = pkgs.lib.mkForce [ ];
    };

  nodes.host =
    { pkgs, ... }:
    {
      imports = [ self.nixosModules.agent ];
      services.refrain-agent = {
        enable = true;
        settings.url = "https://plane:8443";
        settings.hostname = "host";
      };
      systemd.services.refrain-agent.wantedBy = pkgs.lib.mkForce [ ];
    };

  testScript = ''
    start_all()
    plane.wait_for_unit("multi-user.target")
    plane.succeed("cd /tmp && refrain pki init --dir pki --cn-suffix fleet.test && refrain pki server --dir pki plane && refrain pki agent --dir pki host && refrain pki operator --dir pki alice")
    plane.succeed("mkdir -p /etc/refrain && cp /tmp/pki/server.* /etc/refrain/ && cp /tmp/pki/ca.crt /etc/refrain/client-ca.pem && chgrp refrain-tls /etc/refrain/server.key && chmod 0640 /etc/refrain/server.key")
    plane.succeed("systemctl start refrain")
    plane.wait_for_open_port(8443)
    host.succeed("mkdir -p /etc/refrain")
    for source, target in [("agents/host.crt", "agent.crt"), ("agents/host.key", "agent.key"), ("ca.crt", "ca.crt")]:
        text = plane.succeed(f"base64 -w0 /tmp/pki/{source}")
        host.succeed(f"echo {text} | base64 -d > /etc/refrain/{target} && chmod 0600 /etc/refrain/{target}")
    host.succeed("systemctl start refrain-agent")
    plane.succeed("refrain context add plane --url https://plane:8443 --ca /tmp/pki/ca.crt --cert /tmp/pki/operators/alice.crt --key /tmp/pki/operators/alice.key")
    plane.wait_until_succeeds("refrain host list | grep -E '^host +reachable'", timeout=120)
  '';
}
