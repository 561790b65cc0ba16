// The real function behind each call of the Realm Management Monitor (TF-RMM, paths relative to runtime/) and the section of the CCA
// reference that describes it.

const GRANULE = "rmi/granule.c";
const REALM = "rmi/realm.c";
const REC = "rmi/rec.c";
const RUN = "rmi/run.c";
const RTT = "rmi/rtt.c";

// prettier-ignore
export const CCA_FUNCTIONS: Readonly<Record<string, readonly [name: string, file: string, section: string]>> = {
  rmi_granule_delegate:      ["smc_granule_delegate",      GRANULE, "6.1"],
  rmi_granule_undelegate:    ["smc_granule_undelegate",    GRANULE, "6.1"],
  rmi_realm_create:          ["smc_realm_create",          REALM,   "6.6"],
  rmi_realm_activate:        ["smc_realm_activate",        REALM,   "6.6"],
  rmi_realm_destroy:         ["smc_realm_destroy",         REALM,   "6.6"],
  rmi_rec_aux_count:         ["smc_rec_aux_count",         REC,     "6.6"],
  rmi_rec_create:            ["smc_rec_create",            REC,     "6.6"],
  rmi_rec_destroy:           ["smc_rec_destroy",           REC,     "6.6"],
  rmi_rec_enter:             ["smc_rec_enter",             RUN,     "6.6"],
  rmi_rtt_create:            ["smc_rtt_create",            RTT,     "6.3"],
  rmi_rtt_destroy:           ["smc_rtt_destroy",           RTT,     "6.3"],
  rmi_rtt_fold:              ["smc_rtt_fold",              RTT,     "6.3"],
  rmi_rtt_read_entry:        ["smc_rtt_read_entry",        RTT,     "6.3"],
  rmi_rtt_map_unprotected:   ["smc_rtt_map_unprotected",   RTT,     "6.4"],
  rmi_rtt_unmap_unprotected: ["smc_rtt_unmap_unprotected", RTT,     "6.4"],
  rmi_rtt_init_ripas:        ["smc_rtt_init_ripas",        RTT,     "6.5"],
  rmi_rtt_set_ripas:         ["smc_rtt_set_ripas",         RTT,     "6.5"],
  rmi_data_create:           ["smc_data_create",           RTT,     "6.2"],
  rmi_data_create_unknown:   ["smc_data_create_unknown",   RTT,     "6.2"],
  rmi_data_destroy:          ["smc_data_destroy",          RTT,     "6.2"],
  rsi_ipa_state_set:         ["handle_rsi_ipa_state_set",  "rsi",   "7"],
  rsi_ipa_state_get:         ["handle_rsi_ipa_state_get",  "rsi",   "7"],
  rsi_host_call:             ["handle_rsi_host_call",      "rsi",   "7"],
  psci_system_off:           ["psci_system_off",           "psci",  "6.6"],
  realm_abort:               ["handle_sync_exception",     "exit",  "8"],
  rec_interrupt:             ["handle_realm_exit",         "exit",  "5.2"],
};
