// Scenarios to start from: small, whole, and with the keys that are needed most (docs/scenario-format.md).

export interface Template {
  readonly name: string;
  readonly title: string;
  readonly text: string;
}

const HOST_TOUCHES = `scenario: host-touches-private-page
title: Host user space writes to a page that is private to the guest
participants:
  vmm: { role: vmm, handlers: [SIGSEGV, SIGBUS] }
  guest: { role: guest }
pages:
  secret: { of: guest }
steps:
  - { access: secret, by: guest, kind: store, value: 0xa004 }
  - { access: secret, id: touch, by: vmm, kind: store, value: 0xbad }
  - { access: secret, by: guest }
cell: touch
`;

const GUEST_SHARES = `scenario: guest-shares
title: A guest shares a page, the host writes to it, the guest takes it back
systems: [pkvm, pkvm-android]
pages:
  buffer: { of: guest }
steps:
  - { access: buffer, by: guest, kind: store, value: 0xa004 }
  - { share: buffer, from: guest, to: kernel, expect: { all: ok } }
  - { access: buffer, id: write, by: vmm, kind: store, value: 0xb004, expect: { all: ok } }
  - { reclaim: buffer, by: guest, expect: { all: ok } }
  - access: buffer
    note: The page is private again.
    by: vmm
    kind: store
    value: 0xbad
    expect: { pkvm: SIGSEGV/SEGV_ACCERR }
cell: write
`;

const PARCEL = `scenario: lend-and-give-back
title: The host lends pages to a VM, which gives them back
systems: [gunyah]
participants:
  vmm: { role: vmm }
  guest: { role: guest }
pages:
  buffer: { of: vmm, count: 2, content: 0xa004 }
steps:
  - { lend: buffer, from: vmm, to: guest, rights: RW, expect: { gunyah: ok } }
  - { accept: buffer, by: guest, expect: { gunyah: ok } }
  - { access: "buffer[1]", by: guest, kind: store, value: 0xb004 }
  - { access: "buffer[1]", id: touch, by: kernel, how: direct-map }
  - { relinquish: buffer, by: guest }
  - { reclaim: buffer, by: vmm }
cell: touch
`;

const PARTITIONS = `scenario: lend-to-partition
title: A VM lends a page to a secure partition
systems: [ffa, ffa-pas]
participants:
  P: { role: partition }
  S: { role: partition, world: secure }
pages:
  mem: { of: P, content: 0xd0 }
steps:
  - { lend: mem, from: P, to: S, rights: RW, expect: { all: ok } }
  - { access: mem, by: P, id: touch, expect: { all: fault } }
  - { accept: mem, by: S, expect: { all: ok } }
  - { access: mem, by: S, kind: store, value: 0xa1, expect: { all: ok } }
  - { relinquish: mem, by: S, expect: { all: ok } }
  - { reclaim: mem, by: P, expect: { all: ok } }
cell: touch
`;

export const TEMPLATES: readonly [Template, ...Template[]] = [
  { name: "host-touches", title: "Host touches a private page", text: HOST_TOUCHES },
  { name: "guest-shares", title: "A guest shares and takes back (pKVM)", text: GUEST_SHARES },
  { name: "parcel", title: "Lend, accept, give back (Gunyah)", text: PARCEL },
  { name: "partitions", title: "Lend to a secure partition (FF-A)", text: PARTITIONS },
];
