// The React hook of the visual architecture, as it is written there: no token in the code, which is the
// cookie's, a subscription at each connect, reconnection settings of its own, and a clean-up.

import { io, obey, report, settings } from "./driver.mjs";
import { mount, useEffect, useRef, useState } from "./react.mjs";

const currentUserId = settings.user;

const toast = { success: (message) => report('toast', message) };
const updatePostUI = (postId) => report('post', postId);
const updateCommentUI = (commentId) => report('comment', commentId);
const updateFollowerCount = () => report('follower');

export function useNotifications(userId) {
  const socketRef = useRef(null);
  const [notifications, setNotifications] = useState([]);
  const [isConnected, setIsConnected] = useState(false);

  useEffect(() => {
    // 1. Initialize Socket.IO
    socketRef.current = io(settings.server, {
      reconnection: true,
      reconnectionDelay: 1000,
      reconnectionDelayMax: 5000,
      reconnectionAttempts: 5,
    });

    const socket = socketRef.current;

    // 2. Handle Connection
    socket.on('connect', () => {
      console.log('✅ Connected');
      setIsConnected(true);

      // 3. Subscribe to notifications
      socket.emit('subscribe', userId);
    });

    // 4. Handle Subscription Confirmation
    socket.on('subscribed', (data) => {
      console.log('✅ Subscribed:', data);
    });

    // 5. Listen for Notifications
    socket.on('notification', (notification) => {
      console.log('🔔 Got notification:', notification);

      // Add to list
      setNotifications(prev => [notification, ...prev]);

      // Show toast
      toast.success(notification.message);

      // Handle specific types
      switch(notification.type) {
        case 'LIKE':
          updatePostUI(notification.data.postId);
          break;
        case 'COMMENT':
          updateCommentUI(notification.data.commentId);
          break;
        case 'FOLLOW':
          updateFollowerCount();
          break;
      }
    });

    // 6. Handle Errors
    socket.on('error', (error) => {
      console.error(' Socket error:', error);
      setIsConnected(false);
    });

    // 7. Handle Disconnection
    socket.on('disconnect', () => {
      console.log(' Disconnected');
      setIsConnected(false);
    });

    // 8. Cleanup on unmount
    return () => {
      socket.emit('unsubscribe', userId);
      socket.disconnect();
    };
  }, [userId]);

  return {
    notifications,
    isConnected,
    unreadCount: notifications.filter(n => !n.isRead).length
  };
}

// Usage in component, without the elements around what it shows
export function NotificationBell() {
  const { notifications, isConnected, unreadCount } = useNotifications(currentUserId);

  return {
    list: notifications.map(n => n.id),
    badge: unreadCount > 0 && unreadCount,
    offline: !isConnected,
  };
}

const unmount = mount(NotificationBell);
obey({ unmount });
