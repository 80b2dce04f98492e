# Evaluates a module without nixpkgs: a stand-in for the part of its library that the
# modules use. Types are checked, an option without a value is an error, and so is an
# option that a module does not have, unless it is freeform.
{ module, settings }:
let
  inherit (builtins) attrNames concatMap elemAt filter foldl' getAttr hasAttr isAttrs isBool isList isString length listToAttrs mapAttrs match stringLength substring typeOf;

  lib = {
    mkEnableOption = what: lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether to enable ${what}.";
    };
    mkOption = o: o // { _option = true; };
    mkIf = condition: content: if condition then content else { };
    hasPrefix = p: s: substring 0 (stringLength p) s == p;
    splitString = sep: s: filter isString (builtins.split sep s);
    last = l: elemAt l (length l - 1);
    toInt = builtins.fromJSON;
    types = {
      str = { name = "string"; check = isString; };
      path = { name = "path"; check = v: builtins.isPath v || isString v && substring 0 1 v == "/"; };
      bool = { name = "boolean"; check = isBool; };
      package = { name = "package"; check = v: isAttrs v && v ? outPath || isString v; };
      anything = { name = "anything"; check = _: true; };
      attrsOf = of: { name = "attributes of ${of.name}"; check = isAttrs; };
      submodule = m: { name = "submodule"; check = isAttrs; module = m; };
    };
  };

  # value of the options at a path, from what was set.
  value = path: options: freeform: set:
    let
      unknown = filter (n: !(hasAttr n options)) (attrNames set);
      one = name: o:
        let at = "${path}.${name}"; in
        if !(o ? _option) then value at o false (set.${name} or { })
        else if !(hasAttr name set || o ? default) then throw "The option `${at}' has no value"
        else
          let v = set.${name} or o.default; in
          if !(o ? description) then throw "The option `${at}' has no description"
          else if !(o.type.check v) then throw "The option `${at}' wants a ${o.type.name}, and is a ${typeOf v}"
          else if o.type ? module then value at o.type.module.options (o.type.module ? freeformType) v
          else v;
    in
    if unknown != [ ] && !freeform then throw "The option `${path}.${elemAt unknown 0}' does not exist"
    else mapAttrs one options // (if freeform then listToAttrs (map (n: { name = n; value = set.${n}; }) unknown) else { });

  pkgs = {
    refrain = "/nix/store/refrain";
    coreutils = "/nix/store/coreutils";
    writeText = name: text: { inherit name text; __toString = _: "/etc/test/${name}#${text}"; };
  };

  applied = import module {
    inherit lib pkgs;
    config = value "config" applied.options false settings // {
      nix.package = "/nix/store/nix";
      systemd.package = "/nix/store/systemd";
    };
  };
  failed = filter (a: !a.assertion) (applied.config.assertions or [ ]);
in
if failed != [ ] then throw (elemAt failed 0).message else removeAttrs applied.config [ "assertions" ]
