"""File capabilities as the kernel keeps them in an extended attribute (linux/capability.h, `vfs_cap_data`).

magic      4 bytes, little-endian: revision in the highest byte, bit 0 says that they are effective
sets       permitted and inheritable, 4 bytes each: once in revision 1, twice in 2 and 3 (the low half first)
root       4 bytes, in revision 3: the user id that is root of the user namespace they hold in
"""

import struct

from scanning.errors import UnreadableLayerError

_NAMES = (
    *("cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid", "cap_kill", "cap_setgid"),
    *("cap_setuid", "cap_setpcap", "cap_linux_immutable", "cap_net_bind_service", "cap_net_broadcast"),
    *("cap_net_admin", "cap_net_raw", "cap_ipc_lock", "cap_ipc_owner", "cap_sys_module", "cap_sys_rawio"),
    *("cap_sys_chroot", "cap_sys_ptrace", "cap_sys_pacct", "cap_sys_admin", "cap_sys_boot", "cap_sys_nice"),
    *("cap_sys_resource", "cap_sys_time", "cap_sys_tty_config", "cap_mknod", "cap_lease", "cap_audit_write"),
    *("cap_audit_control", "cap_setfcap", "cap_mac_override", "cap_mac_admin", "cap_syslog", "cap_wake_alarm"),
    *("cap_block_suspend", "cap_audit_read", "cap_perfmon", "cap_bpf", "cap_checkpoint_restore"),
)
_EFFECTIVE = 1
_LAYOUTS = {1: struct.Struct("<III"), 2: struct.Struct("<IIIII"), 3: struct.Struct("<IIIIII")}


def named_capabilities(attribute: bytes) -> str:
    """The capabilities in the attribute `security.capability`, as setcap writes them: `cap_chown,cap_kill+ep`.

    Sets that differ stand beside each other, and capabilities that hold only in one user namespace end in its root,
    `[rootid=1000]`. Raises `UnreadableLayerError` for what the kernel would not take.
    """
    revision = attribute[3] if len(attribute) > 3 else 0
    layout = _LAYOUTS.get(revision)
    if layout is None or len(attribute) != layout.size:
        raise UnreadableLayerError(
            f"an extended header holds file capabilities of {len(attribute)} bytes, which the kernel would not take"
        )
    magic, *words = layout.unpack(attribute)
    root = f" [rootid={words.pop()}]" if revision == 3 else ""
    permitted = sum(word << 32 * half for half, word in enumerate(words[::2]))
    inheritable = sum(word << 32 * half for half, word in enumerate(words[1::2]))
    effective = "e" if magic & _EFFECTIVE else ""
    groups: dict[str, list[str]] = {}
    for number in range(64):
        kinds = "i" * (inheritable >> number & 1) + "p" * (permitted >> number & 1)
        if kinds:
            name = _NAMES[number] if number < len(_NAMES) else f"cap_{number}"
            groups.setdefault(effective + kinds, []).append(name)
    return " ".join(f"{','.join(names)}+{kinds}" for kinds, names in groups.items()) + root if groups else ""
