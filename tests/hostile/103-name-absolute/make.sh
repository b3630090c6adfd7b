# An item has an absolute name.
. "${0%/*}/../lib.sh"

misname '/etc/cron.d/evil' '/etc/cron.d/evil'
see ' /etc/cron.d/evil$'
