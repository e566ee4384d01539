"""The emulated air: the gateway's controller, which becomes hci0 through /dev/vhci, and every device's own.

What Bumble's emulation leaves out and a gateway depends on is added here: data finds its way by connection, also when two
devices claim one address; a connection attempt can be cancelled; a peer that falls silent costs the supervision timeout;
a reset forgets; signal strength; scan responses only where a device has one.
"""

import asyncio
import logging

from bumble import hci, ll
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.hci import Address, LeFeatureMask
from bumble.link import LocalLink

log = logging.getLogger("air")

GATEWAY = "F0:F1:F2:F3:F4:F5"
# A disconnection is over once the peer has acknowledged it: some connection events later.
DISCONNECTION_S = 0.03
# With these features the kernel waits for an "enhanced" connection event, which Bumble 0.0.236 does not send.
UNSUPPORTED = LeFeatureMask.LL_PRIVACY | LeFeatureMask.LE_EXTENDED_ADVERTISING


class Air(LocalLink):
    """Who hears whom."""

    def __init__(self):
        super().__init__()
        self.rssi_dbm = {}

    def far_end(self, own, peer):
        """Controller and connection at the other end of the connection from address `own` to address `peer`."""
        for controller in self.controllers:
            connection = controller.le_connections.get(own)
            if connection and connection.self_address == peer:
                return controller, connection
        return None, None

    def send_acl_data(self, sender_controller, destination_address, transport, data):
        connection = sender_controller.le_connections.get(destination_address)
        if transport != PhysicalTransport.LE or connection is None:
            return
        own = connection.self_address
        loop = asyncio.get_running_loop()

        def arrive():
            receiver, _ = self.far_end(own, destination_address)
            if receiver:
                receiver.on_link_acl_data(own, transport, data)

        loop.call_soon(arrive)

    def send_ll_control_pdu(self, sender_address, receiver_address, packet):
        def arrive():
            receiver, _ = self.far_end(sender_address, receiver_address)
            if receiver:
                receiver.on_ll_control_pdu(sender_address, packet)

        asyncio.get_running_loop().call_soon(arrive)

    def fall_silent(self, controller):
        """Battery out: the controller's connections are gone; each peer learns of it by its supervision timeout."""
        controller.le_legacy_advertiser.stop()
        for connection in list(controller.le_connections.values()):
            peer, far = self.far_end(connection.self_address, connection.peer_address)
            controller.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
            if peer:
                asyncio.get_running_loop().call_later(peer.supervision_s(far), peer.time_out, far)


class RadioController(Controller):
    """A controller without the features that Bumble announces and does not carry out."""

    def __init__(self, name, air, **more):
        super().__init__(name, link=air, **more)
        self.le_features &= ~UNSUPPORTED
        self.supervision = {}

    def supervision_s(self, connection):
        return self.supervision.get(connection.handle, 0.42)

    def time_out(self, connection):
        if self.le_connections.get(connection.peer_address) is connection:
            self.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)


class GatewayController(RadioController):
    """The gateway's controller: a central whose host is the kernel."""

    def create_le_connection(self, peer_address):
        pending = self.pending_le_connection
        super().create_le_connection(peer_address)
        if connection := self.le_connections.get(pending.peer_address):
            self.supervision[connection.handle] = pending.supervision_timeout / 100
            # A device that stopped advertising this very moment never takes part in the connection.
            asyncio.get_running_loop().call_later(0.1, self._check_established, connection)

    def _check_established(self, connection):
        if self.le_connections.get(connection.peer_address) is connection:
            peer, _ = self.link.far_end(connection.self_address, connection.peer_address)
            if peer is None and connection.handle not in self.ending:
                self.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR)

    def __init__(self, air, hci_source, hci_sink):
        super().__init__("gateway", air, host_source=hci_source, host_sink=hci_sink, public_address=GATEWAY)
        self.ending = set()
        self.heard = 0

    def on_hci_le_create_connection_cancel_command(self, _command):
        pending = self.pending_le_connection
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.pending_le_connection = None
        event = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR, connection_handle=0, role=hci.Role.CENTRAL,
            peer_address_type=pending.peer_address.address_type, peer_address=pending.peer_address,
            connection_interval=0, peripheral_latency=0, supervision_timeout=0, central_clock_accuracy=0)
        asyncio.get_running_loop().call_soon(self.send_hci_packet, event)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_reset_command(self, command):
        self.pending_le_connection = None
        self.le_scan_enable = False
        for connection in list(self.le_connections.values()):
            del self.le_connections[connection.peer_address]
            for controller in self.link.controllers:
                far = controller.le_connections.get(connection.self_address)
                if far and far.self_address == connection.peer_address:
                    asyncio.get_running_loop().call_later(self.supervision_s(connection), controller.time_out, far)
        return super().on_hci_reset_command(command)

    def on_hci_disconnect_command(self, command):
        connection = self.find_le_connection_by_handle(command.connection_handle)
        if connection is None:
            self._send_hci_command_status(
                hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR, command.op_code)
            return
        self._send_hci_command_status(hci.HCI_COMMAND_STATUS_PENDING, command.op_code)
        self.ending.add(connection.handle)

        def end():
            self.ending.discard(connection.handle)
            if self.le_connections.get(connection.peer_address) is connection:
                connection.send_ll_control_pdu(ll.TerminateInd(command.reason))
                self.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_TERMINATED_BY_LOCAL_HOST_ERROR)

        asyncio.get_running_loop().call_later(DISCONNECTION_S, end)

    def on_advertising_pdu(self, pdu):
        self.hear(pdu.advertiser_address, pdu.data, self.link.rssi_dbm.get(pdu.advertiser_address, -50))
        pending = self.pending_le_connection
        if pending and pending.peer_address == pdu.advertiser_address:
            self.create_le_connection(pdu.advertiser_address)

    def hear(self, address, data, rssi_dbm, scan_response=None):
        """One advertisement, as the host gets it while it scans."""
        if not self.le_scan_enable:
            return
        self.heard += 1
        kinds = hci.HCI_LE_Advertising_Report_Event.EventType
        reports = [(kinds.ADV_IND, data)]
        if self.le_scan_type == 1:  # Active: every scannable device answers, most of them without data.
            reports.append((kinds.SCAN_RSP, scan_response or b""))
        for kind, octets in reports:
            report = hci.HCI_LE_Advertising_Report_Event.Report(
                event_type=kind, address_type=address.address_type, address=address, data=octets, rssi=rssi_dbm)
            self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event([report]))


class Flood:
    """Many advertisers that are nobody's: they cost the gateway's radio, and nothing else here."""

    def __init__(self, gateway):
        self.gateway, self.task = gateway, None

    def start(self, count, interval_ms, rssi_dbm=-80):
        self.stop()

        async def run():
            strangers = []
            for number in range(count):
                address = Address(f"C1:00:00:00:{number >> 8:02X}:{number & 255:02X}", Address.RANDOM_DEVICE_ADDRESS)
                name = f"Stranger {number}".encode()
                data = bytes([2, 1, 6, len(name) + 1, 9]) + name
                strangers.append((address, data))
            pause = interval_ms / 1000 / max(count, 1)
            while True:
                for address, data in strangers:
                    self.gateway.hear(address, data, rssi_dbm)
                    await asyncio.sleep(pause)

        self.task = asyncio.get_running_loop().create_task(run())

    def stop(self):
        if self.task:
            self.task.cancel()
            self.task = None
